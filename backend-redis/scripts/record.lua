-- A record: what is known of one task, as a table and as the text that is kept.
--
-- Two forms, told apart by their first byte; all numbers are unsigned, the highest byte first, 0 where there is none:
--
--   FRESH    a task as it was added, for now, or for later, then with when it was added: nothing has happened to it yet
--   LIVED    every other
--
-- A queue is empty where it is `default`. A payload of more than INLINE_MAX bytes is kept in a hash of its own, and the
-- record has its size: what is renewed and settled does not carry it along.

local INLINE_MAX = 1024
local FRESH_NOW, FRESH_LATER, LIVED = 1, 2, 3
-- form; seq, visible, name, queue, args, calls
local FRESH = '>BI6I7Bc0Bc0I2c0I2c0'
-- form; state, flags; seq, visible, due, added, every, expires, leased; fence, settled_fence, requeued + 1; attempts, crashes,
-- failures, crashed, attempts_max, crashes_max, size of args, size of result; name, queue, worker, request,
-- settled_request; calls, args, result, error, follower
local LIVED_AS = '>BBBI6I7I7I7I7I7I7I6I6I6I4I4I4I4I4I4I4I4Bc0Bc0Bc0Bc0Bc0I2c0I2c0I2c0I2c0I2c0'
local CANCELLING, HAS_ERROR, HAS_RESULT, ARGS_APART, RESULT_APART, SETTLED_LATEST = 1, 2, 4, 8, 16, 32
local STATES = { 'queued', 'leased', 'completed', 'dead', 'cancelled' }
-- What calls were answered; a record remembers each as its id and the place of its answer in this list.
local ANSWERS = {
  'added', 'placed', 'moved', 'follows', 'cancelled', 'cancelling', 'exists:ready', 'exists:scheduled',
  'exists:running', 'exists:cancelling', 'exists:completed', 'exists:dead', 'exists:cancelled', 'finished:completed',
  'finished:dead', 'finished:cancelled',
}
local ID_BYTES = 16

local function codes_of(words)
  local codes = {}
  for i, word in ipairs(words) do codes[word] = i end
  return codes
end
local STATE_CODES, ANSWER_CODES = codes_of(STATES), codes_of(ANSWERS)

local function some(n) return n ~= 0 and n or nil end

local function read_fresh(raw, form)
  local _, seq, visible, name, queue, args, calls, rest = struct.unpack(FRESH, raw)
  local added = form == FRESH_LATER and struct.unpack('>I7', raw, rest) or visible
  return {
    key = false, at = false, at_score = false, at_member = false, kept = false, worker = nil, fence = nil,
    request = nil, leased = nil, settled_fence = nil, settled_request = nil, expires = nil,
    state = 'queued', seq = seq, visible = visible, due = visible, added = added, name = name, args = args,
    queue = queue == '' and 'default' or queue, calls = calls, attempts = 0, crashes = 0, failures = 0, crashed = 0,
  }
end

local function read_lived(raw)
  local _, state, flags, seq, visible, due, added, every, expires, leased, fence, settled_fence, requeued, attempts,
    crashes, failures, crashed, attempts_max, crashes_max, args_bytes, result_bytes, name, queue, worker, request,
    settled_request, calls, args, result, failure, follower = struct.unpack(LIVED_AS, raw)
  local function has(flag) return bit.band(flags, flag) ~= 0 end
  local latest = has(SETTLED_LATEST)
  local rec = {
    key = false, at = false, at_score = false, at_member = false, kept = false,
    state = STATES[state], seq = seq, visible = visible, due = due, added = added, every = some(every),
    expires = some(expires), leased = some(leased), fence = some(fence),
    settled_fence = latest and fence or some(settled_fence), settled_request = latest and request or settled_request,
    requeued = requeued > 0 and requeued - 1 or nil, attempts = attempts, crashes = crashes, failures = failures,
    crashed = crashed, attempts_max = some(attempts_max), crashes_max = some(crashes_max), name = name,
    queue = queue == '' and 'default' or queue, worker = worker ~= '' and worker or nil, request = request,
    calls = calls, cancelling = has(CANCELLING) or nil, args = has(ARGS_APART) and args_bytes or args,
    error = has(HAS_ERROR) and failure or nil, follower = follower ~= '' and cmsgpack.unpack(follower) or nil,
  }
  if has(HAS_RESULT) then rec.result = has(RESULT_APART) and result_bytes or result end
  return rec
end

local function is_sound(rec)
  local state, follower = rec.state, rec.follower
  if follower and (type(follower) ~= 'table' or not (follower.name and follower.queue and follower.visible)) then
    return false
  end
  if state == 'queued' then return true end
  if state == 'leased' then return rec.leased ~= nil and rec.fence ~= nil end
  return state ~= nil and rec.expires ~= nil
end

-- The record, or nil: an unsound one must not fail the call that meets it.
local function decode(raw)
  local form = string.byte(raw, 1)
  local reader = form == LIVED and read_lived or (form == FRESH_NOW or form == FRESH_LATER) and read_fresh
  if not reader then return nil end
  local read, rec = pcall(reader, raw, form)
  if read and is_sound(rec) then return rec end
  return nil
end

local function is_fresh(rec)
  return not rec.fence and rec.state == 'queued' and rec.due == rec.visible and not rec.every and not rec.attempts_max
    and not rec.crashes_max and not rec.error and not rec.requeued and type(rec.args) == 'string'
end

local function encode(rec)
  local queue, args, result = rec.queue == 'default' and '' or rec.queue, rec.args, rec.result
  if is_fresh(rec) then
    local raw = struct.pack(FRESH, rec.added == rec.visible and FRESH_NOW or FRESH_LATER, rec.seq,
      rec.visible, #rec.name, rec.name, #queue, queue, #args, args, #rec.calls, rec.calls)
    if rec.added == rec.visible then return raw end
    return raw .. struct.pack('>I7', rec.added)
  end
  local args_apart, result_apart = type(args) == 'number', type(result) == 'number'
  local request, settled_request = rec.request or '', rec.settled_request or ''
  local latest = rec.fence and rec.settled_fence == rec.fence and settled_request == request
  if latest then settled_request = '' end
  local flags = (rec.cancelling and CANCELLING or 0) + (rec.error and HAS_ERROR or 0) + (result and HAS_RESULT or 0)
    + (args_apart and ARGS_APART or 0) + (result_apart and RESULT_APART or 0) + (latest and SETTLED_LATEST or 0)
  local args_text, result_text = args_apart and '' or args, result_apart and '' or result or ''
  local worker, failure, follower = rec.worker or '', rec.error or '', ''
  if rec.follower then follower = cmsgpack.pack(rec.follower) end
  return struct.pack(LIVED_AS, LIVED, STATE_CODES[rec.state], flags, rec.seq, rec.visible,
    rec.due, rec.added, rec.every or 0, rec.expires or 0, rec.leased or 0, rec.fence or 0,
    latest and 0 or rec.settled_fence or 0, rec.requeued and rec.requeued + 1 or 0, rec.attempts, rec.crashes,
    rec.failures, rec.crashed, rec.attempts_max or 0, rec.crashes_max or 0, args_apart and args or 0,
    result_apart and result or 0, #rec.name, rec.name, #queue, queue, #worker, worker, #request, request,
    #settled_request, settled_request, #rec.calls, rec.calls, #args_text, args_text, #result_text, result_text,
    #failure, failure, #follower, follower)
end

local function is_finished(rec) return rec.state ~= 'queued' and rec.state ~= 'leased' end

-- The state as people see it: a lease that ran out is ready again.
local function shown_state(rec)
  if rec.state == 'queued' then return rec.visible <= now and 'ready' or 'scheduled' end
  if rec.state == 'leased' then return rec.visible <= now and 'ready' or 'running' end
  return rec.state
end

local function existing(rec)
  if rec.state == 'leased' and rec.cancelling then return 'exists:cancelling' end
  return 'exists:' .. shown_state(rec)
end

-- The answer that the call `id` got before, if the record still knows it.
local function answered(rec, id)
  for i = 1, #rec.calls, ID_BYTES + 1 do
    if string.sub(rec.calls, i, i + ID_BYTES - 1) == id then
      return ANSWERS[string.byte(rec.calls, i + ID_BYTES)]
    end
  end
  return nil
end

local function remember(rec, id, answer)
  rec.calls = string.sub(rec.calls .. id .. string.char(ANSWER_CODES[answer]), -CALL_IDS_MAX * (ID_BYTES + 1))
end
