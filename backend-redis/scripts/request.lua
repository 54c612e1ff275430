-- What a lease request asks for, and where to look for it.

local function read_request()
  local req = { request = arg(), worker = arg(), record = arg(), ttl = number() }
  req.suspects, req.order = arg() == 'one', arg()
  req.lease, req.count = number(), number()
  -- `last`: an empty answer is an answer. A look inside a wait is none, and its `waiter` then waits for `block`. Where
  -- there is a `block` for a last look too, it is the first of the next call as well.
  req.last, req.waiter, req.block = arg() == '1', arg(), number()
  req.queues, req.rank = {}, {}
  for i = 1, number() do
    req.queues[i] = arg()
    if not req.rank[req.queues[i]] then req.rank[req.queues[i]] = i end
  end
  local names = number()
  if names < 0 then
    req.any = number()
  else
    req.names, req.listed = {}, {}
    for i = 1, names do
      local name = arg()
      req.names[name], req.listed[i] = number(), name
    end
  end
  req.lists = {} -- the wake lists it will block on
  for i = 1, number() do req.lists[i] = arg() end
  return req
end

-- Looks which indexes are not empty; `settle_lanes` keeps that up to date.
local function look_around(req)
  there = {}
  if req.names and #req.queues * #req.listed * 4 < call('SCARD', P .. 'lanes') then
    for _, queue in ipairs(req.queues) do
      for _, name in ipairs(req.listed) do
        for _, kind in ipairs({ 'due', 'sus', 'run', 'srun' }) do
          local index = kind .. ':' .. queue .. '|' .. name
          if call('EXISTS', P .. index) == 1 then there[index] = true end
        end
      end
    end
  else
    for _, index in ipairs(call('SMEMBERS', P .. 'lanes')) do there[index] = true end
  end
end

-- The indexes this request may look into that are not empty, as { kind, index, rank, lane }.
local function indexes_of(req)
  if not there then look_around(req) end
  local asked = {}
  for index in pairs(there) do
    local kind, queue, name = string.match(index, '^(%a+):([^|]+)|(.+)$')
    if kind ~= 'mov' and req.rank[queue] and (req.any or req.names[name]) then
      asked[#asked + 1] = { kind = kind, index = index, rank = req.rank[queue], lane = queue .. '|' .. name }
    end
  end
  return asked
end

local function of_kinds(indexes, first, second)
  local found = {}
  for _, entry in ipairs(indexes) do
    if entry.kind == first or entry.kind == second then found[#found + 1] = entry end
  end
  return found
end

local function keys_of(members)
  local keys = {}
  for i = 1, #members do keys[i] = key_of(members[i]) end
  return keys
end
