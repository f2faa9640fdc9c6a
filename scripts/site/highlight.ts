/**
 * Colours code when the site is built, so that pages need no script for it.
 *
 * @module
 */

import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import json from "highlight.js/lib/languages/json";
import python from "highlight.js/lib/languages/python";
import typescript from "highlight.js/lib/languages/typescript";
import yaml from "highlight.js/lib/languages/yaml";
import { escapeHtml } from "./html.ts";

const LANGUAGES = { bash, json, python, typescript, yaml };
for (const [name, language] of Object.entries(LANGUAGES)) hljs.registerLanguage(name, language);

/** The languages by the names that follow "```", and by the extensions of files. */
const NAMES: Readonly<Record<string, string>> = {
  ...{ sh: "bash", json: "json", py: "python", ts: "typescript", js: "typescript", mjs: "typescript", yml: "yaml" },
};

/**
 * Colours code.
 *
 * @param code The code.
 * @param name The name of its language, or the extension of its file. Code in an unknown language gets no colour.
 * @returns HTML.
 */
export function highlight(code: string, name: string): string {
  if (name === "console") return code.split("\n").map(consoleLine).join("\n");
  const language = NAMES[name];
  return language === undefined ? escapeHtml(code) : hljs.highlight(code, { language }).value;
}

/** A line of a console: a command, or output. */
function consoleLine(line: string): string {
  const command = /^\$ (.*)$/.exec(line)?.[1];
  if (command === undefined) return escapeHtml(line);
  return `<span class="prompt">$ </span><span class="command">${escapeHtml(command)}</span>`;
}
