-- Wake-ups, and the label of a lane.

-- A lane as indexes and people write it: `QUEUE|NAME`.
local function label_of(lane) return cut_of(lane, 1, 1) == '|' and 'default' .. lane or lane end

-- Fills a list up to so many wake-ups; they stay until waiters take them.
local function push(list, count)
  local missing = count - call('LLEN', P .. list)
  if missing > 0 then
    for _ = 1, missing do call('RPUSH', P .. list, '1') end
    call('SADD', P .. 'wakes', list)
  end
end

-- Wakes so many waiters of this name, and as many of any name.
local function wake(list, count)
  push(list, count)
  push((string.gsub(list, '|.*$', '|*')), count)
end

-- Whether there are waiters. A poll that finds nothing registers its waiter, so without one there
-- is nobody to wake: a later waiter polls first.
local waited
local function anybody_waits()
  if waited == nil then waited = call('EXISTS', P .. 'waiting') == 1 end
  return waited
end

-- Ends the blocking read of a waiter, if there is one.
local function end_read(waiter)
  call('RPUSH', P .. 'p:' .. waiter, '1')
  -- Safe to lose: the read times out by itself.
  call('PEXPIRE', P .. 'p:' .. waiter, 5000)
end
