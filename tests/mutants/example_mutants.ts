/** Mistakes in the programs of `examples/`. */

import type { Mutant } from "./mutant.ts";

const QUEUE = "examples/job-queue/queue.ts";
const FEED = "examples/change-feed/feed.ts";
const DOCUMENTS = "examples/documents/store.ts";
const OUTBOX = "examples/outbox/main.ts";

/** Mutants of the examples. */
export const EXAMPLE_MUTANTS: readonly Mutant[] = [
  {
    name: "the job queue forgets that a job is done",
    file: QUEUE,
    edits: [["    await this.#record({ type, id });\n", '    if (type === "done") this.#jobs.delete(id);\n']],
    dies: "example_job_queue_test",
  },
  {
    name: "the job queue accepts any attempt",
    file: QUEUE,
    edits: [["this.#jobs.get(id)?.attempts !== attempt", "this.#jobs.get(id) === undefined"]],
    dies: "example_job_queue_test",
  },
  {
    name: "the job queue revives dead letters",
    file: QUEUE,
    edits: [["    for (const { event } of dead.iterate()) this.#jobs.delete(event.id);\n", ""]],
    dies: "example_job_queue_test",
  },
  {
    name: "the job queue compacts past an unfinished job",
    file: QUEUE,
    edits: [["this.#log.compact(oldest - 1)", "this.#log.compact(this.#log.last - 1)"]],
    dies: "example_job_queue_test",
  },
  {
    name: "the change feed applies the last change again",
    file: FEED,
    edits: [["log.follow({ from: applied + 1,", "log.follow({ from: Math.max(applied, 1),"]],
    dies: "example_change_feed_test",
  },
  {
    name: "the document store drops merged documents",
    file: DOCUMENTS,
    edits: [["this.#log.compact(last - states.length)", "this.#log.compact(last - 1)"]],
    dies: "example_documents_test",
  },
  {
    name: "the document store writes updates that are malformed",
    file: DOCUMENTS,
    edits: [["    Y.decodeUpdate(update); // Throws if it is malformed, before it is in the log.\n", ""]],
    dies: "example_documents_test",
  },
  {
    name: "the outbox acknowledges messages that the webhook refuses",
    file: OUTBOX,
    edits: [["if (response?.ok) return;", "return;"]],
    dies: "example_outbox_test",
  },
  {
    name: "the outbox delivers again with another key",
    file: OUTBOX,
    edits: [["`shop-${position}`", "`shop-${position}-${waitMs}`"]],
    dies: "example_outbox_test",
  },
];
