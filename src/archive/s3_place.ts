/**
 * The place of the objects of an S3 store: its bucket and prefix, the endpoint, the region, and the credentials. Values
 * that the options lack come from the environment variables that other programs use too.
 *
 * @module
 */

import process from "node:process";
import { WalLogError } from "../api/errors.ts";
import { checkNames } from "../api/option_names.ts";
import { show } from "../api/validate.ts";
import { reasonOf } from "../io/full.ts";

/** The secrets that sign requests. */
export interface S3Credentials {
  /** The id of the access key. */
  readonly accessKeyId: string;
  /** The secret of the access key. */
  readonly secretAccessKey: string;
  /** The session token, if the credentials are temporary. */
  readonly sessionToken?: string | undefined;
}

/** Options of an S3 store. */
export interface S3Options {
  /**
   * The credentials, or a function that returns them. It is called before each request, so that it can renew temporary
   * credentials, and should keep them meanwhile. Default: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
   * `AWS_SESSION_TOKEN` of the environment.
   */
  readonly credentials?: S3Credentials | (() => S3Credentials | Promise<S3Credentials>) | undefined;
  /** The region. Default: `AWS_REGION` or `AWS_DEFAULT_REGION` of the environment, or `us-east-1`. */
  readonly region?: string | undefined;
  /**
   * The URL of the service, such as `https://minio.example.com:9000`. Default: `AWS_ENDPOINT_URL_S3` or
   * `AWS_ENDPOINT_URL` of the environment, or Amazon S3.
   */
  readonly endpoint?: string | URL | undefined;
  /**
   * Whether the bucket is part of the URL's path (`https://host/bucket/key`), or of the host
   * (`https://bucket.host/key`). Default: of the path if there is an endpoint, or if the bucket's name has a dot.
   */
  readonly pathStyle?: boolean | undefined;
  /** The longest time that one attempt of a request may take, in milliseconds. Default: 60,000; at least 1. */
  readonly timeoutMilliseconds?: number | undefined;
  /** The number of attempts of a request whose failure is temporary. Default: 7; at least 1. */
  readonly attempts?: number | undefined;
}

/** An S3 store, resolved. */
export interface S3Place {
  /** `s3://bucket/prefix`. */
  readonly name: string;
  /** The beginning of all keys: `prefix/`, or nothing. */
  readonly prefix: string;
  /** The URL of the bucket, without a slash at the end. */
  readonly url: string;
  readonly region: string;
  readonly credentials: () => S3Credentials | Promise<S3Credentials>;
  /** Whether the credentials can change. */
  readonly renewsCredentials: boolean;
  readonly timeoutMs: number;
  readonly attempts: number;
}

const ATTEMPT = "Cannot use the S3 store";
const OPTION_NAMES = ["credentials", "region", "endpoint", "pathStyle", "timeoutMilliseconds", "attempts"];
const REGION_DEFAULT = "us-east-1";
const TIMEOUT_MS_DEFAULT = 60_000;
/** The longest delay of the runtimes' timers. In milliseconds: 24 days. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;
const ATTEMPTS_DEFAULT = 7;
const PLACE = /^s3:\/\/([A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9])(?:\/(.*))?$/;
/** A name in a prefix: a URL must not give it another meaning. */
// deno-lint-ignore no-control-regex -- control characters are refused
const PREFIX_NAME = /^(?!\.{1,2}$)[^/\x00-\x1f\x7f]+$/;

/**
 * Resolves a store's place.
 *
 * @param place `s3://bucket` or `s3://bucket/prefix`.
 * @param options The options.
 * @returns The place.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function placeOf(place: string, options: S3Options): S3Place {
  checkNames(ATTEMPT, options, OPTION_NAMES);
  const [, bucket, path = ""] = PLACE.exec(place) ?? [];
  const prefix = path.replace(/\/$/, "");
  const isPrefix = prefix === "" || prefix.split("/").every((name) => PREFIX_NAME.test(name));
  if (bucket === undefined || !isPrefix) throw invalid(`expected s3://bucket/prefix, found ${show(place)}`);
  const region = options.region ?? variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION") ?? REGION_DEFAULT;
  if (!/^[A-Za-z0-9-]+$/.test(region)) throw invalid(`the region is ${show(region)}`);
  return {
    name: `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}`,
    prefix: prefix === "" ? "" : `${prefix}/`,
    url: urlOf(bucket, region, options),
    region,
    credentials: credentialsOf(options),
    renewsCredentials: typeof options.credentials === "function",
    timeoutMs: numberOf("timeoutMilliseconds", options.timeoutMilliseconds ?? TIMEOUT_MS_DEFAULT, TIMEOUT_MS_MAX),
    attempts: numberOf("attempts", options.attempts ?? ATTEMPTS_DEFAULT, Number.MAX_SAFE_INTEGER),
  };
}

/** The URL of a bucket. */
function urlOf(bucket: string, region: string, options: S3Options): string {
  const given = options.endpoint ?? variable("AWS_ENDPOINT_URL_S3") ?? variable("AWS_ENDPOINT_URL");
  const domain = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  const endpoint = URL.parse(given ?? `https://s3.${region}.${domain}`);
  // Do not show the endpoint: it may have a password.
  if (endpoint === null || !/^https?:$/.test(endpoint.protocol)) throw invalid("the endpoint is not an http(s) URL");
  const { username, password, search, hash, host, protocol } = endpoint;
  if (username + password + search + hash !== "") {
    throw invalid("the endpoint must have no user, password, query or fragment");
  }
  const path = endpoint.pathname.replace(/\/+$/, "");
  // A certificate for `*.host` does not cover names with a further dot.
  const isPathStyle = options.pathStyle ?? (given !== undefined || bucket.includes("."));
  return isPathStyle ? `${protocol}//${host}${path}/${bucket}` : `${protocol}//${bucket}.${host}${path}`;
}

/** A function that returns the credentials. Those of the options and of the environment never mix. */
function credentialsOf({ credentials }: S3Options): S3Place["credentials"] {
  if (typeof credentials === "function") return credentials;
  const found = credentials ?? {
    accessKeyId: variable("AWS_ACCESS_KEY_ID"),
    secretAccessKey: variable("AWS_SECRET_ACCESS_KEY"),
    sessionToken: variable("AWS_SESSION_TOKEN"),
  };
  const { accessKeyId, secretAccessKey, sessionToken } = found;
  if (!accessKeyId || !secretAccessKey) {
    throw invalid("there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  }
  return () => ({ accessKeyId, secretAccessKey, sessionToken });
}

/** An environment variable; `undefined` if it is not set or empty. */
function variable(name: string): string | undefined {
  try {
    return process.env[name] || undefined;
  } catch (cause) {
    // Deno asks for a permission.
    throw new WalLogError("INVALID_ARGUMENT", `${ATTEMPT}: ${reasonOf(cause)}`, { cause });
  }
}

function numberOf(name: string, value: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return value;
  throw invalid(`${name} must be 1 or more, found ${show(value)}`);
}

function invalid(reason: string): WalLogError {
  return new WalLogError("INVALID_ARGUMENT", `${ATTEMPT}: ${reason}`);
}
