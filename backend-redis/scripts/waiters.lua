-- Who waits for what. A waiter blocks on the wake lists of its lanes, and looks again by itself at the moment it is
-- armed for. For the next due time of a lane up to RANKS waiters of different workers are armed: the first looks when it
-- comes, each other one STANDBY later than the one before, in case those are dead. A waiter that dies, or was there
-- before the server was restarted, so delays a due task by no more than that.
--
-- A lease that runs out is another matter: its own worker may be the one armed for it, and dead. So all waiters of a
-- lane arm themselves for its next deadline, and a lease call wakes one waiter of another worker if none will look.

local passed_on = {} -- wake lists that get wake-ups whatever is announced, and how many

local function pass_on(list, count) passed_on[list] = math.max(passed_on[list] or 0, count) end

-- The indexes of a wake list's lane: of what is queued, and of what is leased.
local function indexes_of_list(list)
  local suspects, lane = string.match(list, '^w(s?):(.*)$')
  if suspects == 's' then return P .. 'sus:' .. lane, P .. 'srun:' .. lane end
  return P .. 'due:' .. lane, P .. 'run:' .. lane
end

-- Whether anything of a wake list's lane is there at all, due or not, leased or not.
local function has_work(list) return call('EXISTS', indexes_of_list(list)) > 0 end

-- The score of the first entry of an index, or nothing.
local function head_of(index) return tonumber(call('ZRANGE', index, 0, 0, 'WITHSCORES')[2]) end

-- A deadline is armed for under a name of its own, and so is each rank but the first.
local function deadline_of(list) return 'deadline ' .. list end
local function rank_of(list, rank) return rank == 0 and list or list .. '#' .. rank end
local function list_of_field(field) return (string.gsub(string.gsub(field, '^deadline ', ''), '#%d$', '')) end

-- The wake list that an index's waiters block on.
local function list_of_entry(entry)
  local suspect = entry.kind == 'sus' or entry.kind == 'srun'
  return (suspect and 'ws:' or 'w:') .. entry.lane
end

local real_time
local function server_now()
  real_time = real_time or (frozen and server_time() or now)
  return real_time
end

-- Whether a waiter, not of worker `but`, is armed under `field` for `moment` or earlier. One whose moment has passed
-- does not count, since it has looked if it is alive; nor one whose wait has ended. A wait is real time even where the
-- docket's clock is set.
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
      if has_work(list) then pass_on(list, 1) end
    -- Of one that is not the first of its lane, whoever waits for the first learns in time. More than one waiter is
    -- told, since one may die before it looks.
    elseif head_of((indexes_of_list(list))) == moment then
      pass_on(list, RANKS)
    end
  end
  for list, count in pairs(passed_on) do wake(list, count) end
  announced, passed_on = {}, {}
end

-- A lease of this lane was taken: somebody other than its own worker must look when it runs out.
local function watch_deadline(list, deadline, worker)
  if not anybody_waits() then return end
  local field = deadline_of(list)
  if looks(field, deadline, worker) or any_rank_looks(list, deadline, worker) then return end
  -- Whoever is woken by this arms itself; the worker itself must not stand in the way.
  call('HDEL', P .. 'armed', field)
  pass_on(list, 1)
end

-- One more is to look into the lane of an index.
local function pass_on_entry(entry) pass_on(list_of_entry(entry), 1) end

-- Takes back what waiters armed themselves for, those whose entries `is_theirs` says; answers the fields.
local function disarm(is_theirs)
  local fields, all = {}, call('HGETALL', P .. 'armed')
  for i = 1, #all, 2 do
    local waiter, worker = string.match(all[i + 1], '^%d+ (%S+) (%S+)$')
    if is_theirs(waiter, worker) then fields[#fields + 1] = all[i] end
  end
  chunked('HDEL', P .. 'armed', fields)
  return fields
end

-- Takes a waiter out. What it was armed for it hands over, unless another looks in time.
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

-- Arms a waiter for what comes first in an index: for a deadline beside all others, for a due time in the first rank
-- that is free. Answers when it must look, if there is a rank for it.
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

-- Notes who waits, before it is armed.
local function note_waiter(req)
  -- Not those that are about to look for the last time: they still have to hand over.
  local long_ago = whole(server_now() - 5000000)
  local gone = call('ZRANGEBYSCORE', P .. 'waiting', '-inf', long_ago, 'LIMIT', 0, TRIM_ITEMS_MAX)
  if #gone > 0 then chunked('ZREM', P .. 'waiting', gone) end
  call('ZADD', P .. 'waiting', whole(server_now() + req.block), req.waiter)
  call('DEL', P .. 'p:' .. req.waiter)
  -- Those of its worker, not of this waiter alone: what it was before the server was restarted, nobody else takes out.
  disarm(function(_, worker) return worker == req.worker end)
  -- It has just looked: an older wake-up has nothing to tell it.
  for from = 1, #req.lists, CHUNK do
    local lists = {}
    for i = from, math.min(from + CHUNK - 1, #req.lists) do lists[#lists + 1] = P .. req.lists[i] end
    call('DEL', unpack(lists))
  end
end
