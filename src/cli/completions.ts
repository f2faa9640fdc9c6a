/**
 * `wal-log completions`: scripts that complete its arguments in a shell. They are made from the same table as the help.
 *
 * @module
 */

import { choiceOf, type Command, EXIT, HELP, JSON_OPTION, type Option } from "./command.ts";

/** The program's name. */
const PROGRAM = "wal-log";
/** The shells. */
const SHELLS = ["bash", "zsh", "fish"] as const;

/** The completions of an argument: names of folders, names of files, a few words, or none. */
type Completion = "folder" | "file" | "nothing" | readonly string[];

/** An option of a command, for a script. */
interface OptionRow {
  readonly name: string;
  readonly short: string | undefined;
  readonly help: string;
  /** The completions of its value; `undefined` if it has no value. */
  readonly value: Completion | undefined;
}

/** A command, for a script. */
interface CommandRow {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly OptionRow[];
  readonly operands: Completion;
}

/**
 * The command.
 *
 * @param commands All commands.
 * @returns The command.
 */
export function completionsCommand(commands: () => readonly Command[]): Command {
  return {
    name: "completions",
    summary: "Print a script that completes arguments in a shell",
    operands: ["SHELL"],
    options: {},
    help: `SHELL is bash, zsh or fish. To install the script:

  ${PROGRAM} completions bash > ~/.local/share/bash-completion/completions/${PROGRAM}
  ${PROGRAM} completions zsh > ~/.zfunc/_${PROGRAM}    (with ~/.zfunc in fpath, before compinit)
  ${PROGRAM} completions fish > ~/.config/fish/completions/${PROGRAM}.fish`,
    async run({ operands: [name], out, result }) {
      const shell = choiceOf("SHELL", name!, SHELLS);
      result({ shell });
      const rows = groupRows(commands().map(rowOf));
      for (const line of { bash, zsh, fish }[shell](rows)) await out.line(line);
      return EXIT.clean;
    },
  };
}

function rowOf({ name, summary, operands, options }: Command): CommandRow {
  const all = Object.entries({ ...options, json: JSON_OPTION, help: HELP });
  const kinds = operands.map(operandCompletion);
  return {
    name,
    summary,
    options: all.map(([name, option]) => ({ name, short: option.short, help: option.help, value: valueOf(option) })),
    // A path may be that of a file or of a folder, so both are offered wherever one of the operands is a file.
    operands: kinds.find((kind) => kind !== "folder") ?? kinds[0] ?? "nothing",
  };
}

/** Commands of two words, such as "archive run", as one command with the second words as its operands. */
function groupRows(rows: readonly CommandRow[]): CommandRow[] {
  const groups = new Map<string, CommandRow>();
  for (const row of rows) {
    const [first, second] = row.name.split(" ") as [string, string?];
    const known = groups.get(first);
    const options = [...known?.options ?? [], ...row.options];
    const isNew = ({ name }: OptionRow, i: number) => options.findIndex((option) => option.name === name) === i;
    const words = known === undefined || typeof known.operands === "string" ? [] : known.operands;
    groups.set(first, {
      name: first,
      summary: known?.summary ?? row.summary,
      options: options.filter(isNew),
      operands: second === undefined ? row.operands : [...words, second],
    });
  }
  return [...groups.values()];
}

function valueOf({ type, value, choices }: Option): Completion | undefined {
  if (type === "boolean") return undefined;
  if (choices !== undefined) return choices;
  if (value === "DIR" || value === "OTHER") return "folder";
  return value === "FILE" ? "file" : "nothing";
}

function operandCompletion(operand: string): Completion {
  if (operand === "SHELL") return SHELLS;
  return operand.startsWith("FILE") ? "file" : "folder";
}

/** The names of an option as they are typed. */
function flagsOf({ name, short }: OptionRow): string[] {
  return short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`];
}

/** A word in single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function* bash(rows: readonly CommandRow[]): Generator<string> {
  const reply = (kind: Completion): string => {
    if (kind === "nothing") return ":";
    if (kind === "folder") return 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$word"))';
    if (kind === "file") return 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$word"))';
    return `COMPREPLY=($(compgen -W $'${kind.join("\\n")}' -- "$word"))`;
  };
  const names = rows.map(({ name }) => name);
  yield `# Completes the arguments of ${PROGRAM} in bash. Made by: ${PROGRAM} completions bash`;
  yield "_wal_log() {";
  yield "  local IFS=$'\\n' word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}";
  yield "  COMPREPLY=()";
  yield "  # Bash takes --format=json for three words.";
  yield '  if [[ $word == "=" ]]; then word=""; elif [[ $before == "=" ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi';
  yield `  if ((COMP_CWORD == 1)); then ${reply([...names, "help", "--help", "--version"])}; return; fi`;
  yield '  case "$command $before" in';
  yield `    "help help") ${reply(names)}; return ;;`;
  for (const { name, options } of rows) {
    for (const option of options) {
      if (option.value === undefined) continue;
      const patterns = flagsOf(option).map((flag) => `"${name} ${flag}"`).join(" | ");
      yield `    ${patterns}) ${reply(option.value)}; return ;;`;
    }
  }
  yield "  esac";
  yield '  case "$command" in';
  for (const { name, options, operands } of rows) {
    yield `    ${name})`;
    yield `      if [[ $word == -* ]]; then ${reply(options.flatMap(flagsOf))}; else ${reply(operands)}; fi ;;`;
  }
  yield "  esac";
  yield "}";
  yield `complete -F _wal_log ${PROGRAM}`;
}

function* zsh(rows: readonly CommandRow[]): Generator<string> {
  const action = (kind: Completion): string =>
    kind === "folder" ? "_files -/" : kind === "file" ? "_files" : kind === "nothing" ? " " : `(${kind.join(" ")})`;
  const inBrackets = (text: string) => text.replace(/[\\[\]:]/g, "\\$&");
  yield `#compdef ${PROGRAM}`;
  yield `# Completes the arguments of ${PROGRAM} in zsh. Made by: ${PROGRAM} completions zsh`;
  yield "_wal_log() {";
  yield '  local curcontext="$curcontext" state line';
  yield "  typeset -A opt_args";
  yield "  _arguments -C '(- *)--help[Show this]' '(- *)--version[Print the version]' '1: :->command' '*:: :->rest'";
  yield "  case $state in";
  yield "    command)";
  yield "      local -a commands=(";
  for (const { name, summary } of rows) yield `        ${quoted(`${name}:${summary.replaceAll(":", "\\:")}`)}`;
  yield "      )";
  yield "      _describe command commands ;;";
  yield "    rest)";
  yield "      case $words[1] in";
  for (const { name, options, operands } of rows) {
    yield `        ${name})`;
    yield "          _arguments \\";
    for (const { name, short, help, value } of options) {
      const rest = `[${inBrackets(help)}]${value === undefined ? "" : `:value:${action(value)}`}`;
      if (short !== undefined) yield `            ${quoted(`-${short}${rest}`)} \\`;
      yield `            ${quoted(`--${name}${value === undefined ? "" : "="}${rest}`)} \\`;
    }
    yield `            ${quoted(`*:argument:${action(operands)}`)} ;;`;
  }
  yield "      esac ;;";
  yield "  esac";
  yield "}";
  yield `if [[ $funcstack[1] == _${PROGRAM} ]]; then _wal_log "$@"; else compdef _wal_log ${PROGRAM}; fi`;
}

function* fish(rows: readonly CommandRow[]): Generator<string> {
  const quotedFish = (text: string) => `'${text.replace(/[\\']/g, "\\$&")}'`;
  const values = (kind: Completion): string => {
    if (kind === "file") return "-F";
    const list = kind === "folder" ? "(__fish_complete_directories)" : kind === "nothing" ? "" : kind.join(" ");
    return list === "" ? "" : `-a ${quotedFish(list)}`;
  };
  const line = (...words: readonly string[]) =>
    ["complete", "-c", PROGRAM, ...words].filter((word) => word !== "").join(" ");
  yield `# Completes the arguments of ${PROGRAM} in fish. Made by: ${PROGRAM} completions fish`;
  yield line("-f");
  yield line("-n", "__fish_use_subcommand", "-l", "help", "-d", quotedFish("Show this"));
  yield line("-n", "__fish_use_subcommand", "-l", "version", "-d", quotedFish("Print the version"));
  for (const { name, summary, options, operands } of rows) {
    yield line("-n", "__fish_use_subcommand", "-a", name, "-d", quotedFish(summary));
    const when = ["-n", quotedFish(`__fish_seen_subcommand_from ${name}`)];
    for (const { name, short, help, value } of options) {
      const flags = ["-l", name, ...short === undefined ? [] : ["-s", short]];
      const argument = value === undefined ? "" : value === "file" ? "-r -F" : `-x ${values(value)}`.trim();
      yield line(...when, ...flags, argument, "-d", quotedFish(help));
    }
    if (operands !== "nothing") yield line(...when, values(operands));
  }
}
