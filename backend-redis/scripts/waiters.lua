-- Who waits for what. A waiter blocks on the wake lists of its lanes, and looks again by itself at the moment it is
-- armed for. One waiter is armed for the next due time of a lane; the others learn of it when it leaves.
--
-- A lease that runs out is another matter: its own worker may be the one armed for it, and dead. So all waiters of a
-- lane arm themselves for its next deadline, and a lease call wakes one waiter of another worker if none knows of it.

local passed_on = {} -- wake lists that get a wake-up whatever is announced

-- Whether anything of a wake list's lane is there at all, due or not, leased or not.
local function has_work(list)
  local suspects, lane = string.match(list, '^(w?s?):(.*)$')
  local due, run = 'due:', 'run:'
  if suspects == 'ws' then due, run = 'sus:', 'srun:' end
  return call('EXISTS', P .. due .. lane, P .. run .. lane) > 0
end

-- A deadline is armed for under a name of its own.
local function deadline_of(list) return 'deadline ' .. list end

-- The wake list that an index's waiters block on, and the field under which they arm themselves.
local function list_and_field(entry)
  local suspect = entry.kind == 'sus' or entry.kind == 'srun'
  local list = (suspect and 'ws:' or 'w:') .. entry.lane
  if entry.kind == 'run' or entry.kind == 'srun' then return list, deadline_of(list) end
  return list, list
end

local real_time
local function server_now()
  real_time = real_time or server_time()
  return real_time
end

-- Who is armed under `field`, if it still waits. A wait is real time even where the docket's clock is set.
local function armed(field)
  local text = call('HGET', P .. 'armed', field)
  if not text then return nil end
  local moment, waiter, worker = string.match(text, '^(%d+) (%S+) (%S+)$')
  local waits_until = waiter and call('ZSCORE', P .. 'waiting', waiter)
  if not waits_until or tonumber(waits_until) <= server_now() then return nil end
  return { moment = tonumber(moment), waiter = waiter, worker = worker }
end

-- The last step of every script that moves tasks.
local function finish_writes()
  flush()
  if (next(announced) or next(passed_on)) and not anybody_waits() then announced, passed_on = {}, {} end
  for list, moment in pairs(announced) do
    if moment <= now then
      if has_work(list) then passed_on[list] = true end
    else
      local who = armed(list)
      if not who or who.moment > moment then passed_on[list] = true end
    end
  end
  for list in pairs(passed_on) do wake(list) end
  announced, passed_on = {}, {}
end

-- A lease of this lane was taken: somebody other than its own worker must look when it runs out.
local function watch_deadline(list, deadline, worker)
  if not anybody_waits() then return end
  local field = deadline_of(list)
  local who = armed(field)
  if who and who.moment <= deadline and who.worker ~= worker then return end
  -- Whoever is woken by this arms itself; the worker itself must not stand in the way.
  call('HDEL', P .. 'armed', field)
  passed_on[list] = true
end

-- Takes back what a waiter armed itself for; answers the wake lists of those lanes.
local function disarm(waiter)
  local lists, all = {}, call('HGETALL', P .. 'armed')
  for i = 1, #all, 2 do
    if string.match(all[i + 1], '^%d+ (%S+)') == waiter then
      call('HDEL', P .. 'armed', all[i])
      lists[#lists + 1] = (string.gsub(all[i], '^deadline ', ''))
    end
  end
  return lists
end

-- Takes a waiter out. What it was armed for it hands over to the next.
local function leave(waiter)
  call('DEL', P .. 'p:' .. waiter)
  if call('ZREM', P .. 'waiting', waiter) == 0 then return end
  for _, list in ipairs(disarm(waiter)) do
    if has_work(list) then passed_on[list] = true end
  end
end

-- Notes who waits, and answers the moment at which it must look again by itself, if there is one.
local function start_waiting(req, indexes)
  -- Not those that are about to look for the last time: they still have to hand over.
  local long_ago = whole(server_now() - 5000000)
  local gone = call('ZRANGEBYSCORE', P .. 'waiting', '-inf', long_ago, 'LIMIT', 0, TRIM_ITEMS_MAX)
  if #gone > 0 then chunked('ZREM', P .. 'waiting', gone) end
  call('ZADD', P .. 'waiting', whole(server_now() + req.block), req.waiter)
  call('DEL', P .. 'p:' .. req.waiter)
  disarm(req.waiter)
  local due
  for _, entry in ipairs(indexes) do
    if entry.head then
      local _, field = list_and_field(entry)
      local who, at_deadline = armed(field), entry.kind == 'run' or entry.kind == 'srun'
      local known = who and who.waiter ~= req.waiter and who.moment <= entry.head
      if not known then
        call('HSET', P .. 'armed', field, whole(entry.head) .. ' ' .. req.waiter .. ' ' .. req.worker)
      end
      if at_deadline or not known then due = math.min(due or entry.head, entry.head) end
    end
  end
  -- It has just looked: an older wake-up has nothing to tell it.
  for from = 1, #req.lists, CHUNK do
    local lists = {}
    for i = from, math.min(from + CHUNK - 1, #req.lists) do lists[#lists + 1] = P .. req.lists[i] end
    call('DEL', unpack(lists))
  end
  return due
end
