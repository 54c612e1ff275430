-- The steps of a life, as docs/transitions.md names them: live, promote, finish, back, next. They
-- change a record in memory only; the caller keeps it.

-- The time meant by now, in (counted from `from`) or at (by the server's clock); never before now.
-- The caller refuses a time that is too far away.
local function resolve(kind, micros, from)
  if kind == RUN_NOW then return now end
  local moment = now
  if kind == RUN_IN then moment = from + micros end
  if kind == RUN_AT then moment = micros + offset end
  return math.max(moment, now)
end

local function is_too_far(moment) return moment > now + DELAY_MAX end

-- One new task, from ITEM_ARGS arguments:
-- - its key;
-- - its options, or an empty text: numbers (kind of time, its microseconds, every, max_attempts,
--   max_crashes, how long its declaration lasts; 0 for none), the id of its definition if it is
--   declared, and args of more than INLINE_MAX bytes;
-- - its record from the size of its args on, as a record without options has it (see record.lua).
local function read_item()
  local key, special, body = arg(), arg(), arg()
  local args_bytes, _, lane, from = unpacked('>I2BI2c0', body)
  local id = cut_of(body, from + args_bytes, from + args_bytes + ID_BYTES - 1)
  local item = { key = key, id = id, lane = lane, args = cut_of(body, from, from + args_bytes - 1), visible = now }
  if special ~= '' then
    local kind, micros, every, max_attempts, max_crashes, declared, large = unpacked('>BI8I8I4I4I8', special)
    if declared > 0 then
      item.declared_until, item.definition = now + declared, cut_of(special, large, large + ID_BYTES - 1)
      large = large + ID_BYTES
    end
    item.visible, item.every = resolve(kind, micros, now), some(every)
    item.max_attempts, item.max_crashes = some(max_attempts), some(max_crashes)
    if #special >= large then item.args = cut_of(special, large) end
  end
  return item
end

local function next_seq()
  if seq >= seq_last then
    seq_last = call('HINCRBY', META, 'seq', 1)
    seq = seq_last - 1
  end
  seq = seq + 1
  return pack('>I6', seq)
end

-- Reads all tasks of the arguments and their records, and begins the script.
local function read_items()
  local items, keys, count = {}, {}, #ARGV / ITEM_ARGS
  for i = 1, count do
    local item = read_item()
    items[i], keys[i] = item, item.key
  end
  fetch(keys)
  begin_adding(count)
  return items
end

local function take_over(rec, item)
  set_args(rec, item.args)
  rec[LANE], rec[CANCELLING] = item.lane, false
  rec[STATE], rec[VISIBLE], rec[DUE] = QUEUED, item.visible, item.visible
  if rec[MORE] ~= NONE or item.every or item.max_attempts or item.max_crashes then
    local more = more_of(rec)
    more.every, more.max_attempts, more.max_crashes = item.every, item.max_attempts, item.max_crashes
    more.attempts, more.crashes, more.failures, more.crashed, more.successor = nil, nil, nil, nil, nil
    more.undecodable = nil
  end
end

local function begin_life(rec)
  rec[SEQ], rec[ADDED], rec[EXPIRES] = next_seq(), now, 0
  if rec[MORE] ~= NONE then rec[MORE].result, rec[MORE].parcel = nil, nil end
end

-- A record for a key that has none.
local function new_record(key)
  local rec = {
    key, false, false, false, false, false, false, false, false, false, false, false, NONE, '', LIVED, QUEUED, 0, '', 0, 0, 0,
    0, 0, 0, 0, 0, '', '', '', 0,
  }
  held[key] = rec
  return rec
end

-- Starts a life of a key. The remembered calls, leases and errors outlive it.
local function live(rec, item)
  take_over(rec, item)
  begin_life(rec)
end

-- One interval of `work` after the latest start, never before now; nil if the task has not started
-- yet.
local function after_last_start(rec, work)
  return rec[LEASED_AT] > 0 and math.max(now, rec[LEASED_AT] + work.every) or nil
end

-- The same periodic task with another definition: its counters are reset, and its next run starts
-- at most one interval after its latest start.
local function redefine(rec, work)
  local more, moment = more_of(rec), after_last_start(rec, work)
  set_args(rec, work.args)
  rec[LANE] = work.lane
  more.every, more.max_attempts, more.max_crashes = work.every, work.max_attempts, work.max_crashes
  more.attempts, more.crashes, more.failures, more.crashed, more.successor = nil, nil, nil, nil, nil
  more.definition, more.undecodable = work.definition, nil
  if moment and moment < rec[VISIBLE] then rec[VISIBLE], rec[DUE] = moment, moment end
end

local function promote(rec)
  local successor = rec[MORE].successor
  if not successor then return end
  successor.args = text_of(rec, 'successors', successor.args) or ''
  if successor.definition then
    -- A cancelled periodic task ignores a pending definition.
    rec[MORE].successor = nil
    if rec[STATE] == QUEUED then redefine(rec, successor) end
    return
  end
  take_over(rec, successor)
  begin_life(rec)
end

local function finish(rec, state, retention)
  rec[STATE], rec[VISIBLE], rec[CANCELLING] = state, now, false
  rec[EXPIRES] = now + (state == DEAD and DEAD_RETENTION or retention)
  promote(rec)
end

local function back_at(rec, moment)
  rec[STATE], rec[VISIBLE], rec[DUE], rec[CANCELLING] = QUEUED, moment, moment, false
  promote(rec)
end

local function back(rec, delay) back_at(rec, now + delay) end

-- The next occurrence of a periodic task; `failure` is the error of this one, if any.
local function next_at(rec, moment, failure)
  local more = more_of(rec)
  more.attempts, more.crashes, more.undecodable = nil, nil, nil
  if failure then
    more.error, more.failures = failure, (more.failures or 0) + 1
  else
    more.failures = nil
  end
  back_at(rec, moment)
end
