-- Transition: Leased -> what the outcome says, for each current token; then, if asked, one lease call.
-- Keys: meta. Args: the number of acks; per ack: its head (numbers: outcome, kind of time and its microseconds, fence,
-- attempts_max, retention, whether there is a text; request, key), the text (result, error or args) if there is one;
-- then 0, or 1 and a lease request.
-- Result: one word per ack (settled, stale, corrupt), apart by spaces; dead trimmed; the lease reply or nil.
-- Twice: a record knows the token settled last and answers settled again; the lease request is idempotent by its own
-- id.

local function settle(rec, ack)
  local outcome, text, retention = ack[ACK_OUTCOME], ack[ACK_TEXT], ack[ACK_RETENTION]
  if rec[CANCELLING] and outcome ~= ACK_COMPLETED then outcome = ACK_CANCELLED end
  rec[SETTLED_FENCE], rec[SETTLED_REQUEST] = rec[FENCE], rec[REQUEST]
  if outcome == ACK_COMPLETED then
    rec[RESULT], rec[CRASHED] = text, 0
    if rec[EVERY] and not rec[CANCELLING] then
      next_at(rec, now + rec[EVERY])
    else
      finish(rec, COMPLETED, retention)
    end
  elseif outcome == ACK_RETRY then
    rec[ERROR] = text
    rec[ATTEMPTS] = rec[ATTEMPTS] + 1
    if rec[ATTEMPTS] < (rec[ATTEMPTS_MAX] or ack[ACK_ATTEMPTS_MAX]) then
      back(rec, ack[ACK_MICROS])
    elseif rec[EVERY] then
      rec[CRASHED] = 0
      next_at(rec, now + rec[EVERY], text)
    else
      finish(rec, DEAD, retention)
    end
  elseif outcome == ACK_SNOOZE then
    back(rec, ack[ACK_MICROS])
  elseif outcome == ACK_RELEASE then
    rec[STATE], rec[VISIBLE] = QUEUED, rec[DUE]
    promote(rec)
  elseif outcome == ACK_DEAD then
    rec[ERROR], rec[ATTEMPTS], rec[CRASHED] = text, rec[ATTEMPTS] + 1, 0
    if rec[EVERY] then next_at(rec, now + rec[EVERY], text) else finish(rec, DEAD, retention) end
  elseif outcome == ACK_REPEAT then
    rec[CRASHED] = 0
    if text then set_args(rec, text) end
    next_at(rec, resolve(ack[ACK_KIND], ack[ACK_MICROS], rec[LEASED_AT]))
  else
    rec[CRASHED] = 0
    finish(rec, CANCELLED, retention)
  end
end

-- So many leases of a request have ended. With the last of them its keys go, so that what is remembered of a busy
-- worker is little more than the request's id.
local function let_go(request, count)
  local held = call('HINCRBY', P .. 'requests_held', request, -count)
  if held > 0 then return end
  call('HDEL', P .. 'requests_held', request)
  -- Below zero it had been forgotten altogether.
  if held == 0 then call('HSET', P .. 'requests', request, cmsgpack.pack({})) end
end

-- One ack, a list: its text, where there is one, then what its head has.
local function read_ack()
  local ack = { nil, unpacked('>BBI8I8I4I8Bc16I2c0', arg()) }
  if ack[ACK_WITH_TEXT] == 1 then ack[ACK_TEXT] = arg() end
  return ack
end

begin()
local acks, keys = {}, {}
for i = 1, number() do
  acks[i] = read_ack()
  keys[i] = acks[i][ACK_KEY]
end
fetch(keys)
local answers, ended = {}, {}
for i = 1, #acks do
  local ack = acks[i]
  local rec, corrupt = load(keys[i])
  local fence, request = ack[ACK_FENCE], ack[ACK_REQUEST]
  local answer = corrupt and 'corrupt' or 'stale'
  if rec and rec[FENCE] == fence and rec[REQUEST] == request and rec[STATE] == LEASED then
    settle(rec, ack)
    keep(rec)
    answer = 'settled'
    ended[request] = (ended[request] or 0) + 1
  elseif rec and rec[SETTLED_FENCE] == fence and rec[SETTLED_REQUEST] == request then
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
return { table.concat(answers, ' '), dead_trimmed, reply }
