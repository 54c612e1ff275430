-- The steps of a life, as docs/transitions.md names them: live, promote, finish, back, next. They change a record in
-- memory only; the caller keeps it.

-- `In` from `from`, `At` a moment, or now; never earlier than now, never later than the furthest future.
local function resolve(kind, micros, from)
  if kind == RUN_NOW then return now end
  local moment = now
  if kind == RUN_IN then moment = from + micros end
  if kind == RUN_AT then moment = micros end
  return math.min(math.max(moment, now), now + DELAY_MAX)
end

-- One new task, from two arguments: its numbers (kind of time, its microseconds, every, attempts_max, crashes_max; 0
-- where there is none), the id of the call, its key and lane; and its args.
local function read_item()
  local kind, micros, every, attempts_max, crashes_max, id, key, lane = unpacked('>BI8I8I4I4c16I2c0I2c0', arg())
  return {
    key = key, id = id, lane = lane, args = arg(), visible = resolve(kind, micros, now), every = some(every),
    attempts_max = some(attempts_max), crashes_max = some(crashes_max),
  }
end

local function next_seq()
  if seq >= seq_last then
    seq_last = call('HINCRBY', META, 'seq', 1)
    seq = seq_last - 1
  end
  seq = seq + 1
  return pack('>I6', seq)
end

-- All that the arguments have; their records are read, and the script begins.
local function read_items()
  local items, keys, count = {}, {}, #ARGV / 2
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
  if rec[MORE] ~= NONE or item.every or item.attempts_max or item.crashes_max then
    local more = more_of(rec)
    more.every, more.attempts_max, more.crashes_max = item.every, item.attempts_max, item.crashes_max
    more.attempts, more.crashes, more.failures, more.crashed, more.follower = nil, nil, nil, nil, nil
  end
end

local function begin_life(rec)
  rec[SEQ], rec[ADDED], rec[EXPIRES] = next_seq(), now, 0
  if rec[MORE] ~= NONE then rec[MORE].result, rec[MORE].parcel = nil, nil end
end

-- A record of a key that has none.
local function new_record(key)
  local rec = {
    key, false, false, false, false, false, false, false, false, false, false, NONE, '', LIVED, QUEUED, 0, '', 0, 0, 0,
    0, 0, 0, 0, 0, '', '', '', 0,
  }
  held[key] = rec
  return rec
end

-- A first or second life of a key. What a record remembers of calls, leases and errors outlives its lives.
local function live(rec, item)
  take_over(rec, item)
  begin_life(rec)
end

local function promote(rec)
  local follower = rec[MORE].follower
  if not follower then return end
  follower.args = text_of(rec, 'followers', follower.args) or ''
  take_over(rec, follower)
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

-- The next occurrence of a perpetual; `failure` is what went wrong in this one, if anything.
local function next_at(rec, moment, failure)
  local more = more_of(rec)
  more.attempts, more.crashes = nil, nil
  if failure then
    more.error, more.failures = failure, (more.failures or 0) + 1
  else
    more.failures = nil
  end
  back_at(rec, moment)
end

-- Takes finished records away: those over their time, and the oldest beyond the bound; a bounded number a call, and one
-- more for each task the call has settled. Answers how many were dead.
local function trim(settled)
  local left, dead_trimmed = TRIM_ITEMS_MAX + settled, 0
  for _, shelf in ipairs({ 'finished', 'dead' }) do
    local bound = shelf == 'dead' and DEAD_MAX or FINISHED_MAX
    local keys = call('ZRANGEBYSCORE', P .. shelf, '-inf', whole(now), 'LIMIT', 0, left)
    local beyond = math.min(call('ZCARD', P .. shelf) - bound, left)
    if beyond > #keys then keys = call('ZRANGE', P .. shelf, 0, beyond - 1) end
    fetch(keys)
    for _, key in ipairs(keys) do
      local rec = load(key)
      if rec and is_finished(rec) then
        forget(rec)
        if shelf == 'dead' then dead_trimmed = dead_trimmed + 1 end
      else
        park(shelf, key, key)
      end
    end
    flush()
    left = left - #keys
  end
  return dead_trimmed
end
