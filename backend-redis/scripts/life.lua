-- The steps of a life, as docs/transitions.md names them: live, promote, finish, back, next. They change a record in
-- memory only; the caller keeps it.

-- `In` from `from`, `At` a moment, or now; never earlier than now, never later than the furthest future.
local IN, AT = 1, 2
local function resolve(kind, micros, from)
  local moment = now
  if kind == IN then moment = from + micros end
  if kind == AT then moment = micros end
  return math.min(math.max(moment, now), now + DELAY_MAX)
end

-- One new task, from six arguments; the last has its numbers: kind of time, its microseconds, every, attempts_max,
-- crashes_max (0 where there is none).
local function read_item()
  local key, id, name, queue, args = arg(), arg(), arg(), arg(), arg()
  local kind, micros, every, attempts_max, crashes_max = struct.unpack('>BI8I8I4I4', arg())
  return {
    key = key, id = id, name = name, queue = queue, args = args, visible = resolve(kind, micros, now),
    every = some(every), attempts_max = some(attempts_max), crashes_max = some(crashes_max),
  }
end

-- Sequence numbers, drawn for a whole batch at once: gaps are harmless.
local seq, seq_last, seq_block = 0, 0, 1
local function next_seq()
  if seq >= seq_last then
    seq_last = call('HINCRBY', META, 'seq', seq_block)
    seq = seq_last - seq_block
  end
  seq = seq + 1
  return seq
end

-- All that the arguments have; their records are read.
local function read_items()
  local items, keys = {}, {}
  while at < #ARGV do
    local item = read_item()
    items[#items + 1], keys[#keys + 1] = item, item.key
  end
  fetch(keys)
  seq_block = math.max(1, #items)
  return items
end

local function take_over(rec, item)
  rec.name, rec.queue, rec.args, rec.every = item.name, item.queue, item.args, item.every
  rec.attempts_max, rec.crashes_max = item.attempts_max, item.crashes_max
  rec.state, rec.visible, rec.due = 'queued', item.visible, item.visible
  rec.attempts, rec.crashes, rec.failures, rec.crashed = 0, 0, 0, 0
  rec.cancelling, rec.follower = nil, nil
end

local function begin_life(rec)
  rec.seq, rec.added = next_seq(), now
  rec.expires, rec.result, rec.parcel = nil, nil, nil
end

-- A record of a key that has none.
local function new_record(key)
  local rec = {
    key = key, member = false, member_seq = false, at = false, at_score = false, at_member = false, kept = false,
    state = 'queued', name = false, queue = false, args = false, calls = '', seq = 0, visible = 0, due = 0, added = 0,
    attempts = 0, crashes = 0, failures = 0, crashed = 0,
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
  local follower = rec.follower
  if not follower then return end
  follower.args = text_of(rec, 'followers', follower.args) or ''
  take_over(rec, follower)
  begin_life(rec)
end

local function finish(rec, state, retention)
  rec.state, rec.visible = state, now
  rec.cancelling = nil
  rec.expires = now + (state == 'dead' and DEAD_RETENTION or retention)
  promote(rec)
end

local function back_at(rec, moment)
  rec.state, rec.visible, rec.due = 'queued', moment, moment
  rec.cancelling = nil
  promote(rec)
end

local function back(rec, delay) back_at(rec, now + delay) end

-- The next occurrence of a perpetual; `failure` is what went wrong in this one, if anything.
local function next_at(rec, moment, failure)
  rec.attempts, rec.crashes = 0, 0
  if failure then
    rec.error, rec.failures = failure, rec.failures + 1
  else
    rec.failures = 0
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
