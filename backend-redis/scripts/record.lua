-- A record: the state of one task, as a Lua list and as the packed text that is stored.
--
-- The list has a position per field. Scripts name the position, as in `rec[VISIBLE]`; numbers.rs
-- lists the names and replaces each with its number. An absent field is 0, an empty text or
-- `false`. Rare fields are in a table of their own, by name, as `rec[MORE].error`; there, an absent
-- count means 0.
--
-- Forms, told apart by the first byte; all numbers are unsigned, big-endian, 0 for none:
--
--   FRESH    a task as it was added, due now, or due later and then with the time of its addition
--   LIVED    every other task; with MORE for the rare fields
--
-- A lane is `QUEUE|NAME`, with an empty queue for `default`. Args and calls come last and stay one
-- text, REST, that most transitions copy unread. A payload of more than INLINE_MAX bytes is kept
-- apart in a hash, and the record holds its size, so that heartbeats and acks do not copy it.
-- `rec[MORE].args` is such a size, or the text until it is written; so are a result and the args of
-- a successor.

-- form; seq, visible, if later: added; bytes of args, number of calls; lane; args, calls
local FRESH_NOW_AS, FRESH_LATER_AS = '>Bc6I7I2BI2c0', '>Bc6I7I7I2BI2c0'
-- form, state, flags; seq; visible, due, added, leased, expires; fence; bytes of args, number of
-- calls; request, lane, worker; args, calls
local LIVED_AS = '>BBBc6I7I7I7I7I7I7I2BBc0I2c0Bc0'
-- every; settled_fence, requeued + 1; attempts, crashes, failures, crashed, max_attempts,
-- max_crashes, size of args, size of result; undecodable; definition, declared; settled_request,
-- parcel; result, error, successor
local MORE_AS = '>I7I7I7I4I4I4I4I4I4I4I4I7Bc0Bc0Bc0Bc0I2c0I2c0I2c0'
-- A trailing text without a length takes the rest.
local FRESH_NOW_OF, FRESH_LATER_OF, LIVED_OF = FRESH_NOW_AS .. 'c0', FRESH_LATER_AS .. 'c0', LIVED_AS .. 'c0'
local STATES = { 'queued', 'leased', 'completed', 'dead', 'cancelled', 'moving' }
-- The answers to calls. A record remembers a call as its id and the position of its answer in this
-- list.
local ANSWERS = {
  'added', 'placed', 'moved', 'follows', 'cancelled', 'cancelling', 'exists:ready', 'exists:scheduled',
  'exists:running', 'exists:cancelling', 'exists:completed', 'exists:dead', 'exists:cancelled', 'finished:completed',
  'finished:dead', 'finished:cancelled', 'exists:moving', 'arrived', 'arrived:moved', 'arrived:follows', 'superseded',
  'turnedaway', 'redefined',
}
local ANSWER_BYTES = {}
for i, answer in ipairs(ANSWERS) do ANSWER_BYTES[answer] = string.char(i) end

local function some(n) return n ~= 0 and n or nil end

-- The bytes of `raw` after its fixed part. Fails if there are fewer than expected, or more without
-- `more`.
local function rest_of(raw, from, bytes, more)
  if #raw < from + bytes - 1 or (#raw > from + bytes - 1 and not more) then error('cut off') end
  return cut_of(raw, from, from + bytes - 1)
end

-- Shared by all records without rare fields. Read it like any other; write through `more_of`.
local NONE = setmetatable({}, { __newindex = function() error('written to a table that all records share') end })

local function more_of(rec)
  local more = rec[MORE]
  if more == NONE then
    more = {}
    rec[MORE] = more
  end
  return more
end

-- Create all positions at once: growing a list costs more.
local function read_fresh(raw, form)
  local _, seq, visible, added, args_bytes, calls, lane, from
  if form == FRESH_NOW then
    _, seq, visible, args_bytes, calls, lane, from = unpacked(FRESH_NOW_AS, raw)
    added = visible
  else
    _, seq, visible, added, args_bytes, calls, lane, from = unpacked(FRESH_LATER_AS, raw)
  end
  return {
    false, false, false, false, false, false, false, false, false, false, false, false, NONE,
    rest_of(raw, from, args_bytes + calls * CALL_BYTES), form, QUEUED, 0, seq, visible, visible, added, 0, 0, 0,
    args_bytes, calls, '', lane, '', from,
  }
end

local function has(flags, flag) return bit.band(flags, flag) ~= 0 end

local function read_more(raw, from, flags)
  local every, settled_fence, requeued, attempts, crashes, failures, crashed, max_attempts, max_crashes, args_size,
    result_size, undecodable, definition, declared, settled_request, parcel, result, failure, successor = unpacked(MORE_AS, raw, from)
  if has(flags, WITH_RESULT_APART) then result = result_size end
  return {
    every = some(every), settled_fence = some(settled_fence),
    settled_request = settled_fence > 0 and settled_request or nil,
    requeued = requeued > 0 and requeued - 1 or nil, attempts = some(attempts), crashes = some(crashes),
    failures = some(failures), crashed = some(crashed), max_attempts = some(max_attempts),
    max_crashes = some(max_crashes), undecodable = some(undecodable),
    definition = definition ~= '' and definition or nil, declared = declared ~= '' and declared or nil, parcel = parcel ~= '' and parcel or nil,
    args = has(flags, WITH_ARGS_APART) and args_size or nil, result = has(flags, WITH_RESULT) and result or nil,
    error = has(flags, WITH_ERROR) and failure or nil, successor = successor ~= '' and cmsgpack.unpack(successor) or nil,
  }
end

local function read_lived(raw)
  local rec = {
    false, false, false, false, false, false, false, false, false, false, false, false, NONE, '', unpacked(LIVED_AS, raw),
  }
  local flags, from, bytes = rec[FLAGS], rec[NEXT], rec[ARGS_BYTES] + rec[CALLS] * CALL_BYTES
  rec[REST] = rest_of(raw, from, bytes, flags >= WITH_MORE)
  if flags == 0 then return rec end
  if flags >= WITH_MORE then rec[MORE] = read_more(raw, from + bytes, flags) end
  rec[CANCELLING], rec[SETTLED] = has(flags, WITH_CANCELLING), has(flags, WITH_SETTLED)
  return rec
end

local function is_finished(rec)
  local state = rec[STATE]
  return state > LEASED and state < MOVING
end

local function is_sound(rec)
  local state, successor = rec[STATE], rec[MORE].successor
  if successor and (type(successor) ~= 'table' or not (successor.lane and successor.visible)) then return false end
  if state == QUEUED then return true end
  if state == LEASED then return rec[LEASED_AT] ~= 0 and rec[FENCE] ~= 0 end
  if state == MOVING then return rec[MORE].parcel ~= nil end
  return STATES[state] ~= nil and rec[EXPIRES] ~= 0
end

-- The record of `raw`; an error if it is unreadable.
local function decode(raw)
  local form = string.byte(raw, 1)
  if form == FRESH_NOW or form == FRESH_LATER then return read_fresh(raw, form) end
  if form ~= LIVED then error('of no known form') end
  local rec = read_lived(raw)
  if not is_sound(rec) then error('not sound') end
  return rec
end

local function encode_more(more)
  local settled_request, failure, parcel = more.settled_request or '', more.error or '', more.parcel or ''
  local definition, declared = more.definition or '', more.declared or ''
  local result, result_size, successor = more.result, 0, more.successor and cmsgpack.pack(more.successor) or ''
  if type(result) == 'number' then result_size, result = result, '' end
  result = result or ''
  return pack(MORE_AS, more.every or 0, more.settled_fence or 0, more.requeued and more.requeued + 1 or 0,
    more.attempts or 0, more.crashes or 0, more.failures or 0, more.crashed or 0, more.max_attempts or 0,
    more.max_crashes or 0, more.args or 0, result_size, more.undecodable or 0, #definition, definition, #declared, declared, #settled_request, settled_request, #parcel, parcel, #result,
    result, #failure, failure, #successor, successor)
end

local function flags_of_more(more)
  local result = more.result
  return WITH_MORE + (more.error and WITH_ERROR or 0) + (more.args and WITH_ARGS_APART or 0)
    + (result and WITH_RESULT or 0) + (type(result) == 'number' and WITH_RESULT_APART or 0)
end

local function encode_fresh(rec)
  local visible, added, lane = rec[VISIBLE], rec[ADDED], rec[LANE]
  if added == visible then
    return pack(FRESH_NOW_OF, FRESH_NOW, rec[SEQ], visible, rec[ARGS_BYTES], rec[CALLS], #lane, lane, rec[REST])
  end
  return pack(FRESH_LATER_OF, FRESH_LATER, rec[SEQ], visible, added, rec[ARGS_BYTES], rec[CALLS], #lane, lane,
    rec[REST])
end

-- Its payloads of more than INLINE_MAX bytes are already kept apart.
local function encode(rec)
  local more, fence, request, lane, worker = rec[MORE], rec[FENCE], rec[REQUEST], rec[LANE], rec[WORKER]
  local has_more = more ~= NONE and next(more) ~= nil
  if fence == 0 and not has_more and rec[STATE] == QUEUED and rec[DUE] == rec[VISIBLE] then return encode_fresh(rec) end
  local flags = (rec[SETTLED] and WITH_SETTLED or 0) + (rec[CANCELLING] and WITH_CANCELLING or 0)
  if has_more then flags = flags + flags_of_more(more) end
  local raw = pack(LIVED_OF, LIVED, rec[STATE], flags, rec[SEQ], rec[VISIBLE], rec[DUE], rec[ADDED], rec[LEASED_AT],
    rec[EXPIRES], fence, rec[ARGS_BYTES], rec[CALLS], #request, request, #lane, lane, #worker, worker, rec[REST])
  return has_more and raw .. encode_more(more) or raw
end

-- Gives a record a new fence; it remembers the token that settled it last.
local function set_fence(rec, fence)
  if rec[SETTLED] then
    local more = more_of(rec)
    more.settled_fence, more.settled_request, rec[SETTLED] = rec[FENCE], rec[REQUEST], false
  end
  rec[FENCE] = fence
end

-- Whether its task has moved to another store.
local function is_away(rec) return rec[STATE] == CANCELLED and rec[MORE].parcel ~= nil end

-- The state as Inspect shows it: an expired lease counts as ready.
local function shown_state(rec)
  if rec[STATE] == QUEUED then return rec[VISIBLE] <= now and 'ready' or 'scheduled' end
  if rec[STATE] == LEASED then return rec[VISIBLE] <= now and 'ready' or 'running' end
  return STATES[rec[STATE]]
end

local function existing(rec)
  if rec[STATE] == LEASED and rec[CANCELLING] then return 'exists:cancelling' end
  return 'exists:' .. shown_state(rec)
end

-- The calls it remembers: the id of each, then the byte of its answer.
local function calls_of(rec) return cut_of(rec[REST], rec[ARGS_BYTES] + 1) end

-- The args; `false` if they are kept apart and are gone.
local function args_of(rec)
  local args = rec[MORE].args
  if not args then return cut_of(rec[REST], 1, rec[ARGS_BYTES]) end
  return type(args) == 'string' and args or call('HGET', P .. 'args', rec[KEY])
end

local function set_args(rec, args)
  local calls = calls_of(rec)
  if #args > INLINE_MAX then
    more_of(rec).args, rec[ARGS_BYTES], rec[REST] = args, 0, calls
  else
    if rec[MORE].args then rec[MORE].args = nil end
    rec[ARGS_BYTES], rec[REST] = #args, args .. calls
  end
end

-- The answer to an earlier call `id`, if the record still remembers it.
local function answered(rec, id)
  local calls = calls_of(rec)
  for i = 1, #calls, CALL_BYTES do
    if cut_of(calls, i, i + ID_BYTES - 1) == id then return ANSWERS[string.byte(calls, i + ID_BYTES)] end
  end
  return nil
end

-- How this task got its key: the latest answer that placed, moved or followed a task.
local PLACED_BY = {
  added = true, placed = true, moved = true, follows = true, arrived = true, ['arrived:moved'] = true,
  ['arrived:follows'] = true,
}
local function origin(rec)
  local calls = calls_of(rec)
  for i = #calls, 1, -CALL_BYTES do
    local answer = ANSWERS[string.byte(calls, i)]
    if PLACED_BY[answer] then return answer end
  end
  return 'added'
end

local function remember(rec, id, answer)
  if rec[CALLS] >= CALL_IDS_MAX then
    local args_bytes = rec[ARGS_BYTES]
    rec[REST] = cut_of(rec[REST], 1, args_bytes) .. cut_of(rec[REST], args_bytes + CALL_BYTES + 1)
    rec[CALLS] = rec[CALLS] - 1
  end
  rec[CALLS], rec[REST] = rec[CALLS] + 1, rec[REST] .. id .. ANSWER_BYTES[answer]
end
