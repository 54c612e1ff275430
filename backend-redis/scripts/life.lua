-- The steps of a life, as docs/transitions.md names them: live, promote, finish, back, next. They change a record in
-- memory only; the caller takes it out of its index before and puts it back after.

-- `In` from `from`, `At` a moment, or now; never earlier than now, never later than the furthest future.
local function resolve(kind, micros, from)
  local moment = now
  if kind == 'in' then moment = from + micros end
  if kind == 'at' then moment = micros end
  return math.min(math.max(moment, now), now + DELAY_MAX)
end

-- One new task, from ten arguments.
local function read_item()
  local item = { key = arg(), id = arg(), name = arg(), queue = arg(), args = arg() }
  local kind, micros = arg(), number()
  item.visible = resolve(kind, micros, now)
  item.every = optional_number()
  item.attempts_max = optional_number()
  item.crashes_max = optional_number()
  return item
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
  rec.expires, rec.result = nil, nil
end

-- A first or second life of a key. What a record remembers of calls, leases and errors outlives its lives.
local function live(rec, item)
  take_over(rec, item)
  begin_life(rec)
end

local function promote(rec)
  if not rec.follower then return end
  take_over(rec, rec.follower)
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
    for i, rec in records_of(keys) do
      local key = keys[i]
      if rec and is_finished(rec) then
        unplace(key, rec)
        call('DEL', P .. 't:' .. key)
        if shelf == 'dead' then dead_trimmed = dead_trimmed + 1 end
      else
        park(shelf, key, key)
      end
    end
    left = left - #keys
  end
  return dead_trimmed
end
