-- Transition: Leased -> what the outcome says, for each current token; then, if asked, one lease call.
-- Keys: meta. Args: the number of acks; per ack: key, request, its numbers (outcome, kind of time and its microseconds,
-- fence, attempts_max, retention, whether there is a text), the text (result, error or args); then 0, or 1 and a lease
-- request.
-- Result: one text per ack (settled, stale, corrupt); dead trimmed; the lease reply or nil.
-- Twice: a record knows the token settled last and answers settled again; the lease request is idempotent by its own
-- id.

local OUTCOMES = { 'completed', 'retry', 'snooze', 'release', 'dead', 'repeat', 'cancelled' }

local function settle(rec, ack)
  local outcome = ack.outcome
  if rec.cancelling and outcome ~= 'completed' then outcome = 'cancelled' end
  rec.settled_fence, rec.settled_request = rec.fence, rec.request
  if outcome == 'completed' then
    rec.result = ack.text
    rec.crashed = 0
    if rec.every and not rec.cancelling then
      next_at(rec, now + rec.every)
    else
      finish(rec, 'completed', ack.retention)
    end
  elseif outcome == 'retry' then
    rec.error = ack.text
    rec.attempts = rec.attempts + 1
    if rec.attempts < (rec.attempts_max or ack.attempts_max) then
      back(rec, ack.micros)
    elseif rec.every then
      rec.crashed = 0
      next_at(rec, now + rec.every, ack.text)
    else
      finish(rec, 'dead', ack.retention)
    end
  elseif outcome == 'snooze' then
    back(rec, ack.micros)
  elseif outcome == 'release' then
    rec.state, rec.visible = 'queued', rec.due
    promote(rec)
  elseif outcome == 'dead' then
    rec.error, rec.attempts = ack.text, rec.attempts + 1
    rec.crashed = 0
    if rec.every then next_at(rec, now + rec.every, ack.text) else finish(rec, 'dead', ack.retention) end
  elseif outcome == 'repeat' then
    rec.crashed = 0
    if ack.text then rec.args = ack.text end
    next_at(rec, resolve(ack.kind, ack.micros, rec.leased))
  else
    rec.crashed = 0
    finish(rec, 'cancelled', ack.retention)
  end
end

-- So many leases of a request have ended. With the last of them its keys go, so that what is remembered of a busy worker
-- is little more than the request's id.
local function let_go(request, count)
  local held = call('HINCRBY', P .. 'requests_held', request, -count)
  if held > 0 then return end
  call('HDEL', P .. 'requests_held', request)
  -- Below zero it had been forgotten altogether.
  if held == 0 then call('HSET', P .. 'requests', request, cmsgpack.pack({})) end
end

-- One ack, from four arguments; the third has its numbers.
local function read_ack()
  local ack = { key = arg(), request = arg() }
  local outcome, has_text
  outcome, ack.kind, ack.micros, ack.fence, ack.attempts_max, ack.retention, has_text =
    struct.unpack('>BBI8I8I4I8B', arg())
  local text = arg()
  ack.outcome = OUTCOMES[outcome]
  if has_text == 1 then ack.text = text end
  return ack
end

begin()
local acks, keys = {}, {}
for i = 1, number() do
  acks[i] = read_ack()
  keys[i] = acks[i].key
end
fetch(keys)
local answers, ended = {}, {}
for i, ack in ipairs(acks) do
  local rec, corrupt = load(ack.key)
  local answer = corrupt and 'corrupt' or 'stale'
  if rec and rec.state == 'leased' and rec.fence == ack.fence and rec.request == ack.request then
    settle(rec, ack)
    keep(rec)
    answer = 'settled'
    ended[ack.request] = (ended[ack.request] or 0) + 1
  elseif rec and rec.settled_fence == ack.fence and rec.settled_request == ack.request then
    answer = 'settled'
  end
  answers[i] = answer
end
for request, count in pairs(ended) do let_go(request, count) end
flush()
local dead_trimmed = trim(#answers)
local reply = false
if number() == 1 then reply = take(read_request(), false) end
finish_writes()
return { answers, dead_trimmed, reply }
