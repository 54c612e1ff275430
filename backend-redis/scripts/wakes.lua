-- Wake-ups, and the label of a lane.

-- A lane as indexes and people write it: `QUEUE|NAME`.
local function label_of(lane) return cut_of(lane, 1, 1) == '|' and 'default' .. lane or lane end

-- How many waiters there are. A poll that finds nothing registers its waiter, so without one there
-- is nobody to wake: a later waiter polls first.
local waiters
local function count_waiters()
  if not waiters then waiters = call('ZCARD', P .. 'waiting') end
  return waiters
end
local function anybody_waits() return count_waiters() > 0 end

local function ends_with_standby(list) return call('LINDEX', P .. list, -1) == 'standby' end

-- Fills a list up to so many wake-ups; they stay until waiters take them.
local function push(list, count)
  local there = call('LLEN', P .. list)
  if there > 0 and ends_with_standby(list) then there = there - 1 end
  if there >= count then return end
  -- Before the entry for a standby: a waiter that is to poll now must not find that one.
  for _ = there + 1, count do call('LPUSH', P .. list, '1') end
  call('SADD', P .. 'wakes', list)
end

-- Asks one more waiter to poll STANDBY from now, since the one that takes the wake-up may die
-- before it polls. Not while another one that was asked still has to poll.
local function ask_standby(list)
  local moment = tonumber(call('HGET', P .. 'standby', list) or '0')
  if moment > now and moment <= now + STANDBY then return end
  if not ends_with_standby(list) then call('RPUSH', P .. list, 'standby') end
  call('HSET', P .. 'standby', list, whole(now + STANDBY))
end

-- Wakes so many waiters. `has_standby`: of the others, if there are any, one polls a little later.
local function wake(list, count, has_standby)
  push(list, count)
  if has_standby and count_waiters() > 1 then ask_standby(list) end
end

-- Ends the blocking read of a waiter, if there is one.
local function end_read(waiter)
  call('RPUSH', P .. 'p:' .. waiter, '1')
  -- Safe to lose: the read times out by itself.
  call('PEXPIRE', P .. 'p:' .. waiter, 5000)
end
