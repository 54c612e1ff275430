-- Settling, for `ack`.
--
-- Args: the number of acks; per ack: its head (numbers: outcome, kind of time and its microseconds,
-- fence, max_attempts, retention, whether there is a text; request, key), and the text (result,
-- error or args) if there is one.

local function settle_completed(rec, text, retention, unkept)
  local more = rec[MORE]
  if text or unkept or more ~= NONE then
    more = more_of(rec)
    more.result, more.crashed = text, nil
    more.error = unkept or more.error
  end
  if more.every and not rec[CANCELLING] then
    next_at(rec, now + more.every)
  else
    finish(rec, COMPLETED, retention)
  end
end

-- The run did not begin: the build that leased the task could not decode its args.
local function settle_undecodable(rec, ack)
  local more = more_of(rec)
  more.error, more.undecodable = ack[ACK_TEXT], more.undecodable or now
  back(rec, ack[ACK_MICROS])
end

-- A run that ended with an error; `may_retry`: another attempt may follow.
local function settle_failed(rec, ack, may_retry)
  local more, text = more_of(rec), ack[ACK_TEXT]
  more.error, more.attempts = text, (more.attempts or 0) + 1
  local max_attempts = more.max_attempts or ack[ACK_ATTEMPTS_MAX]
  if may_retry and more.attempts < max_attempts then return back(rec, ack[ACK_MICROS]) end
  more.crashed = nil
  if more.every then next_at(rec, now + more.every, text) else finish(rec, DEAD, ack[ACK_RETENTION]) end
end

local function settle_one(rec, ack)
  local outcome, text, retention = ack[ACK_OUTCOME], ack[ACK_TEXT], ack[ACK_RETENTION]
  if rec[CANCELLING] and outcome ~= ACK_COMPLETED and outcome ~= ACK_UNKEPT then outcome = ACK_CANCELLED end
  rec[SETTLED] = true
  if rec[MORE].settled_fence then rec[MORE].settled_fence, rec[MORE].settled_request = nil, nil end
  -- A build could decode the args, or the worker gave up.
  if rec[MORE].undecodable and outcome ~= ACK_UNDECODABLE and outcome ~= ACK_RELEASE then rec[MORE].undecodable = nil end
  if outcome == ACK_COMPLETED then
    settle_completed(rec, text, retention)
  elseif outcome == ACK_UNKEPT then
    settle_completed(rec, nil, retention, text)
  elseif outcome == ACK_RETRY or outcome == ACK_DEAD then
    settle_failed(rec, ack, outcome == ACK_RETRY)
  elseif outcome == ACK_SNOOZE then
    back(rec, ack[ACK_MICROS])
  elseif outcome == ACK_UNDECODABLE then
    settle_undecodable(rec, ack)
  elseif outcome == ACK_RELEASE then
    rec[STATE], rec[VISIBLE] = QUEUED, rec[DUE]
    promote(rec)
  else
    if rec[MORE] ~= NONE then rec[MORE].crashed = nil end
    if outcome == ACK_CANCELLED then return finish(rec, CANCELLED, retention) end
    if text then set_args(rec, text) end
    next_at(rec, resolve(ack[ACK_KIND], ack[ACK_MICROS], rec[LEASED_AT]))
  end
end

local function was_settled(rec, fence, request)
  if rec[SETTLED] then return rec[FENCE] == fence and rec[REQUEST] == request end
  return rec[MORE].settled_fence == fence and rec[MORE].settled_request == request
end

-- One ack as a list: its text, if there is one, then the fields of its head.
local function read_ack()
  local ack = { nil, unpacked('>BBI8I8I4I8Bc16I2c0', arg()) }
  if ack[ACK_WITH_TEXT] == 1 then ack[ACK_TEXT] = arg() end
  return ack
end

-- Settles one ack. `raw` is the raw record, or nil if an earlier ack of this call may have changed
-- it. Answers a word, and whether a lease ended.
local function settle(ack, key, raw)
  local fence, request = ack[ACK_FENCE], ack[ACK_REQUEST]
  if raw and ack[ACK_OUTCOME] == ACK_COMPLETED and not ack[ACK_TEXT] then
    local readable, done = pcall(complete_plain, raw, key, fence, request, ack[ACK_RETENTION])
    if readable and done then return 'settled', true end
  end
  if raw ~= nil then hold(key, raw) end
  local rec, corrupt = load(key)
  if rec and rec[FENCE] == fence and rec[REQUEST] == request and rec[STATE] == LEASED then
    if ack[ACK_KIND] == RUN_AT and is_too_far(resolve(RUN_AT, ack[ACK_MICROS])) then return 'toofar', false end
    settle_one(rec, ack)
    keep(rec)
    return 'settled', true
  end
  if rec and was_settled(rec, fence, request) then return 'settled', false end
  return corrupt and 'corrupt' or 'stale', false
end

-- Settles all acks of the arguments. Answers a word for each, separated by spaces, and the number
-- of dead tasks trimmed.
local function settle_all()
  local acks, keys = {}, {}
  for i = 1, number() do
    acks[i] = read_ack()
    keys[i] = acks[i][ACK_KEY]
  end
  local raws, answers, ended, seen = read_raw(keys), {}, {}, {}
  for i = 1, #acks do
    local ack, key, raw = acks[i], keys[i], raws[i]
    if seen[key] then
      flush()
      raw = nil
    end
    local answer, ends = settle(ack, key, raw)
    answers[i], seen[key] = answer, true
    if ends then ended[ack[ACK_REQUEST]] = (ended[ack[ACK_REQUEST]] or 0) + 1 end
  end
  for request, count in pairs(ended) do let_go(request, count) end
  flush()
  return table.concat(answers, ' '), trim(#answers)
end
