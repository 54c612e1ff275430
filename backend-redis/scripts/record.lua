-- A record: what is known of one task, as a table and as the text that is kept.
--
-- Forms, told apart by the first byte; all numbers are unsigned, the highest byte first, 0 where there is none:
--
--   FRESH    a task as it was added, for now, or for later, then with when it was added: nothing has happened to it yet
--   LIVED    every other; with MORE of it where there is more than most have
--
-- A queue is empty where it is `default`. A payload of more than INLINE_MAX bytes is kept in a hash of its own, and the
-- record has its size: what is renewed and settled does not carry it along.

local INLINE_MAX = 1024
local FRESH_NOW, FRESH_LATER, LIVED = 1, 2, 3
-- form; seq, visible; name, queue; args, calls
local FRESH = '>BI6I7Bc0Bc0I2c0I2c0'
-- form, state, flags; seq; visible, due, added, leased, expires; fence; name, queue, worker, request; args, calls
local LIVED_AS = '>BBBI6I7I7I7I7I7I6Bc0Bc0Bc0Bc0I2c0I2c0'
-- every; settled_fence, requeued + 1; attempts, crashes, failures, crashed, attempts_max, crashes_max, size of args,
-- size of result; settled_request, parcel; result, error, follower
local MORE_AS = '>I7I6I6I4I4I4I4I4I4I4I4Bc0Bc0I2c0I2c0I2c0'
local CANCELLING, HAS_ERROR, HAS_RESULT, ARGS_APART, RESULT_APART, SETTLED_LATEST, HAS_MORE = 1, 2, 4, 8, 16, 32, 64
local STATES = { 'queued', 'leased', 'completed', 'dead', 'cancelled', 'moving' }
-- What calls were answered; a record remembers each as its id and the place of its answer in this list.
local ANSWERS = {
  'added', 'placed', 'moved', 'follows', 'cancelled', 'cancelling', 'exists:ready', 'exists:scheduled',
  'exists:running', 'exists:cancelling', 'exists:completed', 'exists:dead', 'exists:cancelled', 'finished:completed',
  'finished:dead', 'finished:cancelled', 'exists:moving', 'arrived', 'arrived:moved', 'arrived:follows', 'superseded',
  'turnedaway',
}
local ID_BYTES = 16

local function codes_of(words)
  local codes = {}
  for i, word in ipairs(words) do codes[word] = i end
  return codes
end
local STATE_CODES, ANSWER_CODES = codes_of(STATES), codes_of(ANSWERS)

local function some(n) return n ~= 0 and n or nil end

-- `nil` in a constructor leaves room for what a lease adds: a table that grows costs more than one that is made.
local function read_fresh(raw, form)
  local _, seq, visible, name, queue, args, calls, rest = struct.unpack(FRESH, raw)
  local added = form == FRESH_LATER and struct.unpack('>I7', raw, rest) or visible
  return {
    key = false, member = false, member_seq = false, at = false, at_score = false, at_member = false, kept = false,
    worker = nil, fence = nil, request = nil, leased = nil, settled_fence = nil, settled_request = nil, expires = nil,
    state = 'queued', seq = seq, visible = visible, due = visible, added = added, name = name, args = args,
    queue = queue == '' and 'default' or queue, calls = calls, attempts = 0, crashes = 0, failures = 0, crashed = 0,
  }
end

local function has(flags, flag) return bit.band(flags, flag) ~= 0 end

local function read_more(rec, raw, from, flags)
  local every, settled_fence, requeued, attempts_max, crashes_max, args_bytes, result_bytes, settled_request, parcel,
    result, failure, follower
  every, settled_fence, requeued, rec.attempts, rec.crashes, rec.failures, rec.crashed, attempts_max, crashes_max,
    args_bytes, result_bytes, settled_request, parcel, result, failure, follower = struct.unpack(MORE_AS, raw, from)
  rec.every, rec.attempts_max, rec.crashes_max = some(every), some(attempts_max), some(crashes_max)
  if parcel ~= '' then rec.parcel = parcel end
  if requeued > 0 then rec.requeued = requeued - 1 end
  if not rec.settled_fence then rec.settled_fence, rec.settled_request = some(settled_fence), settled_request end
  if has(flags, ARGS_APART) then rec.args = args_bytes end
  if has(flags, HAS_RESULT) then rec.result = has(flags, RESULT_APART) and result_bytes or result end
  if has(flags, HAS_ERROR) then rec.error = failure end
  if follower ~= '' then rec.follower = cmsgpack.unpack(follower) end
end

local function read_lived(raw)
  local _, state, flags, seq, visible, due, added, leased, expires, fence, name, queue, worker, request, args, calls,
    rest = struct.unpack(LIVED_AS, raw)
  local latest = has(flags, SETTLED_LATEST)
  local rec = {
    key = false, member = false, member_seq = false, at = false, at_score = false, at_member = false, kept = false,
    state = STATES[state], seq = seq, visible = visible, due = due, added = added, leased = some(leased),
    expires = some(expires), fence = some(fence), name = name, queue = queue == '' and 'default' or queue,
    worker = worker ~= '' and worker or nil, request = request, args = args, calls = calls, attempts = 0, crashes = 0,
    failures = 0, crashed = 0, cancelling = has(flags, CANCELLING) or nil, settled_fence = latest and fence or nil,
    settled_request = latest and request or nil,
  }
  if has(flags, HAS_MORE) then read_more(rec, raw, rest, flags) end
  return rec
end

local function is_sound(rec)
  local state, follower = rec.state, rec.follower
  if follower and (type(follower) ~= 'table' or not (follower.name and follower.queue and follower.visible)) then
    return false
  end
  if state == 'queued' then return true end
  if state == 'moving' then return rec.parcel ~= nil end
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
    and rec.attempts + rec.crashes + rec.failures + rec.crashed == 0
end

local function has_more(rec, latest)
  return rec.every or rec.attempts + rec.crashes + rec.failures + rec.crashed > 0 or rec.attempts_max or rec.crashes_max
    or rec.result or rec.error or rec.follower or rec.requeued or rec.parcel or type(rec.args) == 'number'
    or (rec.settled_fence and not latest)
end

local function encode_more(rec, latest)
  local args_bytes, result_bytes = type(rec.args) == 'number' and rec.args, type(rec.result) == 'number' and rec.result
  local settled_request = not latest and rec.settled_request or ''
  local result, failure = not result_bytes and rec.result or '', rec.error or ''
  local parcel, follower = rec.parcel or '', rec.follower and cmsgpack.pack(rec.follower) or ''
  return struct.pack(MORE_AS, rec.every or 0, not latest and rec.settled_fence or 0,
    rec.requeued and rec.requeued + 1 or 0, rec.attempts, rec.crashes, rec.failures, rec.crashed, rec.attempts_max or 0,
    rec.crashes_max or 0, args_bytes or 0, result_bytes or 0, #settled_request, settled_request, #parcel, parcel,
    #result, result, #failure, failure, #follower, follower)
end

local function encode_fresh(rec, queue)
  local now_too = rec.added == rec.visible
  local raw = struct.pack(FRESH, now_too and FRESH_NOW or FRESH_LATER, rec.seq, rec.visible, #rec.name, rec.name,
    #queue, queue, #rec.args, rec.args, #rec.calls, rec.calls)
  return now_too and raw or raw .. struct.pack('>I7', rec.added)
end

local function encode(rec)
  local queue = rec.queue == 'default' and '' or rec.queue
  if is_fresh(rec) then return encode_fresh(rec, queue) end
  local latest = rec.fence and rec.settled_fence == rec.fence and rec.settled_request == rec.request
  local more = has_more(rec, latest)
  local flags = (latest and SETTLED_LATEST or 0) + (rec.cancelling and CANCELLING or 0)
  if more then
    flags = flags + HAS_MORE + (rec.error and HAS_ERROR or 0) + (rec.result and HAS_RESULT or 0)
      + (type(rec.args) == 'number' and ARGS_APART or 0) + (type(rec.result) == 'number' and RESULT_APART or 0)
  end
  local args = type(rec.args) == 'string' and rec.args or ''
  local worker, request = rec.worker or '', rec.request or ''
  local raw = struct.pack(LIVED_AS, LIVED, STATE_CODES[rec.state], flags, rec.seq, rec.visible, rec.due, rec.added,
    rec.leased or 0, rec.expires or 0, rec.fence or 0, #rec.name, rec.name, #queue, queue, #worker, worker, #request,
    request, #args, args, #rec.calls, rec.calls)
  return more and raw .. encode_more(rec, latest) or raw
end

local function is_finished(rec) return rec.state ~= 'queued' and rec.state ~= 'leased' and rec.state ~= 'moving' end

-- Whether its task lives in another store now.
local function is_away(rec) return rec.state == 'cancelled' and rec.parcel ~= nil end

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

-- How its task came to be what it is: the answer to the latest call that placed, moved or followed one.
local PLACED_BY = codes_of({
  'added', 'placed', 'moved', 'follows', 'arrived', 'arrived:moved', 'arrived:follows',
})
local function origin(rec)
  for i = #rec.calls, 1, -ID_BYTES - 1 do
    local answer = ANSWERS[string.byte(rec.calls, i)]
    if PLACED_BY[answer] then return answer end
  end
  return 'added'
end

local function remember(rec, id, answer)
  rec.calls = string.sub(rec.calls .. id .. string.char(ANSWER_CODES[answer]), -CALL_IDS_MAX * (ID_BYTES + 1))
end
