/** Mutants of the checks that the objects of an archive are those in their keys. */

import type { Mutant } from "./mutant.ts";

const SURVEY = "src/archive/survey.ts";
const VERIFY = "src/archive/verify_archive.ts";
const DIES = "archive_sizes_test";

/** Mutants of the checks that the objects of an archive are those in their keys. */
export const ARCHIVE_SIZE_MUTANTS: readonly Mutant[] = [
  {
    name: "a piece of the wrong size counts as absent",
    file: SURVEY,
    edits: [[
      "    keys.push(read);\n",
      '    if (read.kind !== "piece" || size === sizeInKey(read)) keys.push(read);\n',
    ]],
    dies: DIES,
  },
  {
    name: "an object of the wrong size is reported although it was pruned",
    file: SURVEY,
    edits: [["wrong.filter(({ read }) => !isBelow(read, survey.floor))", "wrong"]],
    dies: DIES,
  },
  {
    name: "the size of an object that is needed for its key is not verified",
    file: VERIFY,
    edits: [["[...claims, ...wrongSizes(survey, history)]", "[...claims, ...wrongSizes(survey, history).slice(0, 0)]"]],
    dies: DIES,
  },
  {
    name: "a damaged claim is not reported",
    file: VERIFY,
    edits: [["[...claims, ...wrong", "[...claims.slice(0, 0), ...wrong"]],
    dies: DIES,
  },
  {
    name: "a piece of the wrong size is preferred to its parts",
    file: "src/archive/history.ts",
    edits: [["[...ordered.filter(({ key }) => !wrongSizes.has(key)), ...ordered]", "ordered"]],
    dies: DIES,
  },
  {
    name: "an archive is pruned although a piece that stays has the wrong size",
    file: "src/archive/prune.ts",
    edits: [["  if (piece !== undefined) throw incomplete(", "  if (piece?.from === -1) throw incomplete("]],
    dies: DIES,
  },
  {
    name: "a snapshot with another term in its key counts as never archived",
    file: "src/archive/cut.ts",
    edits: [[" || named.has(index)", ""]],
    dies: DIES,
  },
  {
    name: "a snapshot may be another one than its key says",
    file: "src/archive/fetch_object.ts",
    edits: [["  if (!isSame) throw damaged(", "  if (!isSame && size < 0) throw damaged("]],
    dies: DIES,
  },
];
