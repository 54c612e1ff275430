-- Leasing, as `lease` and `ack` do it: sweep late leases, take what is due, say what comes next.

local function read_request()
  local req = { request = arg(), worker = arg(), record = arg(), ttl = number() }
  req.suspects, req.order = arg() == 'one', arg()
  req.lease, req.count, req.wait = number(), number(), number()
  -- `last` says that an empty answer is an answer; a look inside a wait is not. `waiter` is empty unless it will wait.
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
  req.lists = {}
  for i = 1, number() do req.lists[i] = arg() end
  return req
end

-- The indexes this request may look into that are not empty: { kind, index, rank, lane }.
local function indexes_of(req)
  local found
  if req.names and #req.queues * #req.listed * 4 < call('SCARD', P .. 'lanes') then
    found = {}
    for _, queue in ipairs(req.queues) do
      for _, name in ipairs(req.listed) do
        for _, kind in ipairs({ 'due', 'sus', 'run', 'srun' }) do
          local index = kind .. ':' .. queue .. '|' .. name
          if call('EXISTS', P .. index) == 1 then found[#found + 1] = index end
        end
      end
    end
  else
    found = call('SMEMBERS', P .. 'lanes')
  end
  local asked = {}
  for _, index in ipairs(found) do
    local kind, queue, name = string.match(index, '^(%a+):([^|]+)|(.+)$')
    if req.rank[queue] and (req.any or req.names[name]) then
      asked[#asked + 1] = { kind = kind, index = index, rank = req.rank[queue], lane = queue .. '|' .. name }
    end
  end
  return asked
end

local function earlier(a, b)
  if a.score ~= b.score then return a.score < b.score end
  return a.member < b.member
end

-- The first `limit` visible entries of several indexes together, earliest first, then in order of adding. An index with
-- `only_one` gives its first entry alone.
local function earliest(indexes, limit, only_one)
  local heads, found, page = {}, {}, math.min(limit, 100)
  local function refill(head)
    head.page = call('ZRANGEBYSCORE', P .. head.from.index, '-inf', whole(now), 'WITHSCORES', 'LIMIT', head.offset, page)
    head.offset, head.i = head.offset + page, 1
  end
  local function step(head)
    if head.i > #head.page then
      if #head.page < 2 * page then return false end
      refill(head)
      if #head.page == 0 then return false end
    end
    head.member, head.score = head.page[head.i], tonumber(head.page[head.i + 1])
    head.i = head.i + 2
    return true
  end
  for _, from in ipairs(indexes) do
    local head = { from = from, offset = 0 }
    refill(head)
    if #head.page > 0 and step(head) then heads[#heads + 1] = head end
  end
  while #found < limit and #heads > 0 do
    local best = 1
    for i = 2, #heads do
      if earlier(heads[i], heads[best]) then best = i end
    end
    local head = heads[best]
    found[#found + 1] = { index = head.from.index, kind = head.from.kind, member = head.member, score = head.score }
    if only_one then break end
    if not step(head) then table.remove(heads, best) end
  end
  return found
end

local function of_kinds(indexes, first, second)
  local some = {}
  for _, entry in ipairs(indexes) do
    if entry.kind == first or entry.kind == second then some[#some + 1] = entry end
  end
  return some
end

local function keys_of(entries)
  local keys = {}
  for i, entry in ipairs(entries) do keys[i] = key_of(entry.member) end
  return keys
end

-- A lease that ran out: one crash, and what follows from it.
local function crash(key, rec, crashes_max, reply)
  local deadline = rec.visible
  reply.crashed = reply.crashed + 1
  rec.crashes = rec.crashes + 1
  local max = rec.crashes_max or crashes_max
  if rec.cancelling then
    finish(rec, 'cancelled', RETENTION)
  elseif rec.crashes < max then
    rec.state, rec.visible = 'queued', deadline -- due stays: its place in the line
    promote(rec)
  else
    reply.limited[#reply.limited + 1] = key
    local failure = 'its lease ran out ' .. whole(rec.crashes) .. ' times, unsettled: the limit is ' .. whole(max)
    if rec.every then
      rec.crashed = rec.crashed + 1
      local wait = math.min(rec.every * 2 ^ math.min(rec.crashed, 60), math.max(CRASH_WAIT_MAX, rec.every))
      next_at(rec, now + wait, failure)
    else
      rec.error = failure
      finish(rec, 'dead', RETENTION)
    end
  end
end

-- Counts the crashes of late leases, at most 100, oldest deadline first.
local function sweep(req, indexes, reply)
  local late = earliest(of_kinds(indexes, 'run', 'srun'), TRIM_ITEMS_MAX)
  if #late == 0 then return indexes end
  local keys = keys_of(late)
  local records = load_all(keys)
  for i, entry in ipairs(late) do
    local key, rec = keys[i], records[i]
    if not rec or rec.state ~= 'leased' or index_of(rec) ~= entry.index then
      park(entry.index, entry.member, key)
      reply.parked[#reply.parked + 1] = key
    else
      unplace(key, rec)
      crash(key, rec, req.any or req.names[rec.name], reply)
      place(key, rec)
      save(key, rec)
    end
  end
  settle_lanes()
  return indexes_of(req)
end

local function emit(key, rec, reply)
  reply.bytes = reply.bytes + #rec.args
  reply.leases[#reply.leases + 1] = {
    key, rec.fence, rec.name, rec.queue, rec.args, rec.attempts, rec.crashes, rec.visible, rec.leased, rec.due,
    rec.every or false, rec.attempts_max or false, rec.crashes_max or false,
  }
end

-- The candidates of one group of indexes: all that is due, and at most one suspect among them.
local function candidates(indexes, limit, suspect)
  local found = earliest(of_kinds(indexes, 'due'), limit)
  if suspect then
    local one = earliest(of_kinds(indexes, 'sus'), 1, true)[1]
    if one then
      found[#found + 1] = one
      table.sort(found, earlier)
    end
  end
  return found
end

-- Leases what is due in one group of indexes.
local function take_from(indexes, req, reply)
  local found = candidates(indexes, req.count - #reply.leases, req.suspects and not reply.suspect)
  for from = 1, #found, 100 do
    local some = {}
    for i = from, math.min(from + 99, #found) do some[#some + 1] = found[i] end
    local keys = keys_of(some)
    local records = load_all(keys)
    local last_fence = call('HINCRBY', META, 'fence', #some)
    for i, entry in ipairs(some) do
      local key, rec = keys[i], records[i]
      if #reply.leases >= req.count then reply.full = true end
      if #reply.leases > 0 and rec and reply.bytes + #rec.args > BATCH_BYTES_MAX then reply.full = true end
      if reply.full then return end
      if not rec or rec.state ~= 'queued' or index_of(rec) ~= entry.index then
        park(entry.index, entry.member, key)
        reply.parked[#reply.parked + 1] = key
      else
        unplace(key, rec)
        rec.state, rec.fence, rec.request = 'leased', last_fence - #some + i, req.request
        rec.leased, rec.visible, rec.worker = now, now + req.lease, req.worker
        place(key, rec)
        save(key, rec)
        if entry.kind == 'sus' then reply.suspect = true end
        reply.taken[#reply.taken + 1] = key
        emit(key, rec, reply)
      end
    end
  end
end

-- The leases that this request took before and nobody has retaken, with a fresh deadline.
local function take_again(req, packed, reply)
  local keys = cmsgpack.unpack(packed)
  local records = load_all(keys)
  for i, key in ipairs(keys) do
    local rec = records[i]
    if rec and rec.state == 'leased' and rec.request == req.request then
      rec.visible = now + req.lease
      place(key, rec)
      save(key, rec)
      emit(key, rec, reply)
    end
  end
end

-- When the next one becomes visible, how long the oldest has been, and whom to wake for what this call leaves.
local function look_ahead(req, indexes, reply, leaving)
  local full = reply.full or #reply.leases >= req.count
  local head_at
  for _, entry in ipairs(indexes) do
    local suspect = entry.kind == 'sus' or entry.kind == 'srun'
    if not suspect or (req.suspects and not reply.suspect) then
      local head = call('ZRANGE', P .. entry.index, 0, 0, 'WITHSCORES')
      if head[2] then
        local visible = tonumber(head[2])
        head_at = math.min(head_at or visible, visible)
        -- Whoever stops waiting hands over what it was armed for; whoever is full hands over what is left.
        if (full and visible <= now) or (leaving and visible < now + req.wait) then
          woken[(suspect and 'ws:' or 'w:') .. entry.lane] = true
        end
      end
    end
  end
  if not head_at then return end
  reply.next_visible = math.max(0, head_at - now)
  if head_at <= now then reply.oldest_ready = now - head_at end
end

local function remember_request(req, reply)
  local old = call('ZRANGEBYSCORE', P .. 'requests_at', '-inf', whole(now - REQUEST_MEMORY), 'LIMIT', 0, TRIM_ITEMS_MAX)
  if #old > 0 then
    chunked('ZREM', P .. 'requests_at', old)
    chunked('HDEL', P .. 'requests', old)
  end
  call('HSET', P .. 'requests', req.request, cmsgpack.pack(reply.taken))
  call('ZADD', P .. 'requests_at', whole(now), req.request)
end

-- Notes who will wait, by the server's own clock: a wait is real time even where the docket's clock is set.
local function wait_or_leave(req, waits)
  local time = call('TIME')
  local real = tonumber(time[1]) * 1000000 + tonumber(time[2])
  call('ZREM', P .. 'waiting', req.waiter)
  call('DEL', P .. 'p:' .. req.waiter)
  local gone = call('ZRANGEBYSCORE', P .. 'waiting', '-inf', whole(real), 'LIMIT', 0, TRIM_ITEMS_MAX)
  if #gone > 0 then chunked('ZREM', P .. 'waiting', gone) end
  if not waits then return end
  call('ZADD', P .. 'waiting', whole(real + req.block), req.waiter)
  -- It has just looked: an older wake-up has nothing to tell it.
  for from = 1, #req.lists, CHUNK do
    local lists = {}
    for i = from, math.min(from + CHUNK - 1, #req.lists) do lists[#lists + 1] = P .. req.lists[i] end
    call('DEL', unpack(lists))
  end
end

-- One lease call. `trimming` is false inside an ack, which has trimmed already.
local function take(req, trimming)
  local reply = { leases = {}, taken = {}, limited = {}, parked = {}, crashed = 0, bytes = 0, dead_trimmed = 0 }
  write_worker(req.worker, req.record, req.ttl, true)
  if trimming then reply.dead_trimmed = trim() end
  local packed = call('HGET', P .. 'requests', req.request)
  local indexes = indexes_of(req)
  if packed then
    take_again(req, packed, reply)
  else
    indexes = sweep(req, indexes, reply)
    if req.order == 'earliest' then
      take_from(indexes, req, reply)
    else
      for rank = 1, #req.queues do
        local group = {}
        for _, entry in ipairs(indexes) do
          if entry.rank == rank then group[#group + 1] = entry end
        end
        if #reply.leases < req.count and not reply.full and #group > 0 then take_from(group, req, reply) end
      end
    end
    settle_lanes()
    indexes = indexes_of(req)
  end
  local done = packed or #reply.leases > 0 or req.last
  if done and not packed then remember_request(req, reply) end
  look_ahead(req, indexes, reply, done and req.wait > 0)
  finish_writes()
  -- Order matters: after the wake-ups of this call, so that a waiter does not wake itself.
  if req.waiter ~= '' then wait_or_leave(req, not done) end
  return {
    reply.leases, reply.next_visible or false, reply.oldest_ready or false, reply.crashed, reply.limited,
    reply.dead_trimmed, reply.parked, done and 1 or 0, frozen and 1 or 0,
  }
end
