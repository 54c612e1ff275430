-- Waiters. A waiter blocks on the wake lists of its lanes, and polls by itself at the time for
-- which it is armed. For the next due time of a lane, up to RANKS waiters of different workers are
-- armed: the first polls on time, each other one STANDBY later than the one before, in case those
-- have died. So a dead waiter, or one from before a restart of the server, delays a due task by no
-- more than that.
--
-- For a task that is due now one waiter is woken, and another is asked to poll STANDBY later: the
-- first may die between taking its wake-up and its poll. `standby` has the time until which one
-- still has to poll, so that many tasks cost few such polls.
--
-- An expiring lease is different: its own worker may be the one armed for it, and dead. So all
-- waiters of a lane arm themselves for its next deadline, and a lease call wakes a waiter of
-- another worker if none is armed.

local passed_on = {} -- wake list -> the number of wake-ups it gets regardless of announcements
local with_standby = {} -- those of them whose lane has something due

local function pass_on(list, count) passed_on[list] = math.max(passed_on[list] or 0, count) end
local function pass_on_work(list)
  pass_on(list, 1)
  with_standby[list] = true
end

-- The two indexes of a wake list's lane: queued and leased.
local function indexes_of_list(list)
  local suspects, lane = string.match(list, '^w(s?):(.*)$')
  if suspects == 's' then return P .. 'sus:' .. lane, P .. 'srun:' .. lane end
  return P .. 'due:' .. lane, P .. 'run:' .. lane
end

-- Whether the lane of a wake list has any task, due or not, leased or not.
local function has_work(list) return call('EXISTS', indexes_of_list(list)) > 0 end

-- The score of the first entry of an index, or nothing.
local function head_of(index) return tonumber(call('ZRANGE', index, 0, 0, 'WITHSCORES')[2]) end

-- A deadline has a field of its own, and so has each rank but the first.
local function deadline_of(list) return 'deadline ' .. list end
local function rank_of(list, rank) return rank == 0 and list or list .. '#' .. rank end
local function list_of_field(field) return (string.gsub(string.gsub(field, '^deadline ', ''), '#%d$', '')) end

-- The wake list of an index.
local function list_of_entry(entry)
  local suspect = entry.kind == 'sus' or entry.kind == 'srun'
  return (suspect and 'ws:' or 'w:') .. entry.lane
end

local real_time
local function server_now()
  real_time = real_time or (frozen and server_time() or now)
  return real_time
end

-- Whether a waiter, not of worker `but`, is armed under `field` for `moment` or earlier. A waiter
-- whose time has passed does not count (if alive, it has polled), nor one whose wait has ended.
-- Waits use real time even under a clock override.
local function looks(field, moment, but)
  local text = call('HGET', P .. 'armed', field)
  if not text then return false end
  local at_moment, waiter, worker = string.match(text, '^(%d+) (%S+) (%S+)$')
  at_moment = tonumber(at_moment)
  if not at_moment or at_moment <= now or at_moment > moment or worker == but then return false end
  local waits_until = call('ZSCORE', P .. 'waiting', waiter)
  return waits_until and tonumber(waits_until) > server_now()
end

-- The same for any rank of a lane.
local function any_rank_looks(list, moment, but)
  for rank = 0, RANKS - 1 do
    if looks(rank_of(list, rank), moment, but) then return true end
  end
  return false
end

-- The last step of every script that moves tasks.
local function finish_writes()
  flush()
  if (next(announced) or next(passed_on)) and not anybody_waits() then announced, passed_on = {}, {} end
  for list, moment in pairs(announced) do
    if moment <= now then
      if has_work(list) then pass_on_work(list) end
    -- If it is not the first of its lane, the waiter for the first learns of it in time. Wake more
    -- than one waiter: one may die before it polls.
    elseif head_of((indexes_of_list(list))) == moment then
      pass_on(list, RANKS)
    end
  end
  for list, count in pairs(passed_on) do wake(list, count, with_standby[list]) end
  announced, passed_on, with_standby = {}, {}, {}
end

-- A task of this lane was leased: a waiter of another worker must poll at the deadline.
local function watch_deadline(list, deadline, worker)
  if not anybody_waits() then return end
  local field = deadline_of(list)
  if looks(field, deadline, worker) or any_rank_looks(list, deadline, worker) then return end
  -- The woken waiter arms itself; the entry of the leasing worker must not prevent that.
  call('HDEL', P .. 'armed', field)
  pass_on(list, 1)
end

-- Wakes one more waiter for the lane of an index.
local function pass_on_entry(entry) pass_on_work(list_of_entry(entry)) end

-- Removes the armed entries for which `is_theirs` holds; answers their fields.
local function disarm(is_theirs)
  local fields, all = {}, call('HGETALL', P .. 'armed')
  for i = 1, #all, 2 do
    local waiter, worker = string.match(all[i + 1], '^%d+ (%S+) (%S+)$')
    if is_theirs(waiter, worker) then fields[#fields + 1] = all[i] end
  end
  chunked('HDEL', P .. 'armed', fields)
  return fields
end

-- Removes a waiter. Wakes another one for each time it was armed for, unless some waiter polls in
-- time.
local function leave(waiter)
  call('DEL', P .. 'p:' .. waiter)
  if call('ZREM', P .. 'waiting', waiter) == 0 then return end
  for _, field in ipairs(disarm(function(armed) return armed == waiter end)) do
    local list = list_of_field(field)
    local queued, leased = indexes_of_list(list)
    local due, deadline = head_of(queued), head_of(leased)
    local seen = not due or any_rank_looks(list, due)
    if seen and deadline then seen = looks(deadline_of(list), deadline) or any_rank_looks(list, deadline) end
    if not seen then pass_on(list, 1) end
  end
end

-- Arms a waiter for the first entry of an index: for a deadline in addition to all others, for a
-- due time in the first free rank. Answers when it must poll; nil if no rank is free.
local function arm(req, entry, head)
  local list, armed_as = list_of_entry(entry), ' ' .. req.waiter .. ' ' .. req.worker
  if entry.kind == 'run' or entry.kind == 'srun' then
    local field = deadline_of(list)
    if not looks(field, head) then call('HSET', P .. 'armed', field, whole(head) .. armed_as) end
    return head
  end
  for rank = 0, RANKS - 1 do
    local field, moment = rank_of(list, rank), head + rank * STANDBY
    if not looks(field, moment) then
      call('HSET', P .. 'armed', field, whole(moment) .. armed_as)
      return moment
    end
  end
end

-- Registers a waiter, before it is armed.
local function note_waiter(req)
  -- Keep recently expired ones: they are about to poll for the last time and may still have to hand
  -- over.
  local long_ago = whole(server_now() - 5000000)
  local gone = call('ZRANGEBYSCORE', P .. 'waiting', '-inf', long_ago, 'LIMIT', 0, TRIM_ITEMS_MAX)
  if #gone > 0 then chunked('ZREM', P .. 'waiting', gone) end
  call('ZADD', P .. 'waiting', whole(server_now() + req.block), req.waiter)
  call('DEL', P .. 'p:' .. req.waiter)
  -- All entries of its worker, not only of this waiter: nobody else removes those from before a
  -- restart of the server.
  disarm(function(_, worker) return worker == req.worker end)
  -- It has just polled: older wake-ups tell it nothing new.
  for from = 1, #req.lists, CHUNK do
    local lists = {}
    for i = from, math.min(from + CHUNK - 1, #req.lists) do lists[#lists + 1] = P .. req.lists[i] end
    -- An entry for a standby that nobody has taken is gone with it.
    if call('DEL', unpack(lists)) > 0 then
      call('HDEL', P .. 'standby', unpack(req.lists, from, from + #lists - 1))
    end
  end
end
