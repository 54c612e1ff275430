-- Wake-ups, and what a lane is called.

-- A lane as people and indexes have it: `QUEUE|NAME`.
local function label_of(lane) return cut_of(lane, 1, 1) == '|' and 'default' .. lane or lane end

-- Leaves so many wake-ups in a list, less those that are there: they are kept until waiters take them.
local function push(list, count)
  local missing = count - call('LLEN', P .. list)
  if missing > 0 then
    for _ = 1, missing do call('RPUSH', P .. list, '1') end
    call('SADD', P .. 'wakes', list)
  end
end

-- Wakes so many waiters that ask for this name, and as many that take any.
local function wake(list, count)
  push(list, count)
  push((string.gsub(list, '|.*$', '|*')), count)
end

-- Whether anybody waits: who does is listed by the look that found nothing, so that without one listed there is nobody
-- to wake, and a waiter to come looks first.
local waited
local function anybody_waits()
  if waited == nil then waited = call('EXISTS', P .. 'waiting') == 1 end
  return waited
end

-- Ends the blocking read of a waiter, if one is under way.
local function end_read(waiter)
  call('RPUSH', P .. 'p:' .. waiter, '1')
  -- Safe to lose: the read ends by itself.
  call('PEXPIRE', P .. 'p:' .. waiter, 5000)
end
