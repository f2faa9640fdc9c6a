-- For wrk: deposits, each with a key of its own, into a thousand accounts; the figures as a line of JSON at the end.
--
--     wrk -t1 -c64 -d10s -s deposits.lua http://127.0.0.1:8080 -- RUN
--
-- RUN goes into the keys, so that those of two runs on one server differ.

local accounts = 1000
local sent = 0
local run = ""
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(args)
  run = (args[1] or "run") .. "-" .. number .. "-"
end

function request()
  sent = sent + 1
  return wrk.format("POST", "/accounts/a" .. sent % accounts .. "/deposit", { ["Idempotency-Key"] = run .. sent }, '{"amount":1}')
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.3f,"p50":%.3f,"p99":%.3f,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
