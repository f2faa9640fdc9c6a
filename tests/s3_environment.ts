/** The environment variables of S3, for tests. */

import process from "node:process";

/**
 * Sets the environment variables of S3, and removes all others of its names.
 *
 * @param variables The variables.
 * @returns Restores those from before.
 */
export function setS3Environment(variables: Readonly<Record<string, string>>): () => void {
  const clear = () => {
    for (const name of Object.keys(process.env)) if (name.startsWith("AWS_")) delete process.env[name];
  };
  const before = Object.entries({ ...process.env }).filter(([name]) => name.startsWith("AWS_"));
  clear();
  Object.assign(process.env, variables);
  return () => {
    clear();
    for (const [name, value] of before) process.env[name] = value;
  };
}
