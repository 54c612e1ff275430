-- A lease request, and the indexes to read for it.

local function read_request()
  local req = { request = arg(), worker = arg(), record = arg(), ttl = number() }
  req.suspects, req.order = arg() == 'one', arg()
  req.lease, req.count = number(), number()
  -- `last`: return even if nothing was found. Otherwise this is a poll within a wait, and its
  -- `waiter` then waits for `block`. With a `block`, a last poll also serves as the first poll of
  -- the next call.
  req.last, req.waiter, req.block = arg() == '1', arg(), number()
  req.queues, req.rank = {}, {}
  for i = 1, number() do
    req.queues[i] = arg()
    if not req.rank[req.queues[i]] then req.rank[req.queues[i]] = i end
  end
  req.names, req.listed = {}, {} -- the crash limit by name; the names in order
  for i = 1, number() do
    local name = arg()
    req.names[name], req.listed[i] = number(), name
  end
  req.lists = {} -- the wake lists it will block on
  for i = 1, number() do req.lists[i] = arg() end
  req.stood_by = {} -- the wake lists for which this is the poll of a standby
  for i = 1, number() do req.stood_by[i] = arg() end
  return req
end

-- How many members of a set are read at once, and up to how many lanes a request lists them without
-- comparing sizes.
local LISTED_MAX, FEW_LANES = 100, 8
local KINDS = { queued = { 'due', 'sus' }, leased = { 'run', 'srun' } }

-- An index as { kind, index, rank, lane, bound }, if this request may read it.
local function asked(req, index, bound)
  local kind, queue, name = string.match(index, '^(%a+):([^|]+)|(.+)$')
  if kind == 'mov' or not req.rank[queue] or not req.names[name] then return nil end
  return { kind = kind, index = index, rank = req.rank[queue], lane = queue .. '|' .. name, bound = bound }
end

-- The bounds of the lanes that a request lists, if those are few.
local function read_listed(req, set)
  local members, known = {}, {}
  for _, queue in ipairs(req.queues) do
    for _, name in ipairs(req.listed) do
      for _, kind in ipairs(KINDS[set]) do members[#members + 1] = kind .. ':' .. queue .. '|' .. name end
    end
  end
  for from = 1, #members, CHUNK do
    local to = math.min(from + CHUNK - 1, #members)
    local found = call('ZMSCORE', P .. set, unpack(members, from, to))
    for i = from, to do known[members[i]] = tonumber(found[i - from + 1] or nil) end
  end
  return known
end

-- The bounds of all indexes that a request may read; `false` if there are too many to read at once.
local function read_bounds(req, set)
  local lanes = #req.queues * #req.listed
  if lanes <= FEW_LANES or lanes * #KINDS[set] < call('ZCARD', P .. set) then
    return read_listed(req, set)
  end
  local page, known = call('ZRANGE', P .. set, 0, LISTED_MAX - 1, 'WITHSCORES'), {}
  if #page == 2 * LISTED_MAX then return false end
  for i = 1, #page, 2 do known[page[i]] = tonumber(page[i + 1]) end
  return known
end

local function by_bound(a, b)
  if a.bound ~= b.bound then return a.bound < b.bound end
  return a.index < b.index
end

-- Calls `visit` with each index of a set that this request may read, by bound, until it answers
-- `true`. The set must not be written meanwhile.
local function walk(req, set, visit)
  if bounds[set] == nil then bounds[set] = read_bounds(req, set) end
  local known, entries = bounds[set], {}
  if known then
    for index, bound in pairs(known) do entries[#entries + 1] = asked(req, index, bound) end
    if #entries > 1 then table.sort(entries, by_bound) end
    for _, entry in ipairs(entries) do
      if visit(entry) then return end
    end
    return
  end
  local from, page = 0, nil
  repeat
    page = call('ZRANGE', P .. set, from, from + LISTED_MAX - 1, 'WITHSCORES')
    for i = 1, #page, 2 do
      local entry = asked(req, page[i], tonumber(page[i + 1]))
      if entry and visit(entry) then return end
    end
    from = from + LISTED_MAX
  until #page < 2 * LISTED_MAX
end

-- The indexes of a set that may have a visible task.
local function visible_in(req, set)
  local found = {}
  walk(req, set, function(entry)
    if entry.bound > now then return true end
    found[#found + 1] = entry
  end)
  return found
end

-- Raises the bounds of indexes to the times of their first entries.
local function raise_bounds(set, heads)
  for index, head in pairs(heads) do
    call('ZADD', P .. set, 'XX', whole(head), index)
    if bounds[set] then bounds[set][index] = head end
  end
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
