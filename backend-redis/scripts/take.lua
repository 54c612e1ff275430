-- Leasing, as `lease` and `ack` do it: sweep late leases, take what is due, say what comes next.

-- The error of a task that ended at its crash limit.
local CRASH_LIMIT = 'its lease ran out too often'

-- A lease that ran out: one crash, and what follows from it.
local function crash(rec, crashes_max, reply)
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
    reply.limited[#reply.limited + 1] = rec.key
    if rec.every then
      rec.crashed = rec.crashed + 1
      local wait = math.min(rec.every * 2 ^ math.min(rec.crashed, 60), math.max(CRASH_WAIT_MAX, rec.every))
      next_at(rec, now + wait, CRASH_LIMIT)
    else
      rec.error = CRASH_LIMIT
      finish(rec, 'dead', RETENTION)
    end
  end
end

-- Whether an index entry is the one that its record belongs to.
local function is_at(rec, entry) return rec.at == entry.index and rec.at_member == entry.member end

-- Counts the crashes of late leases, at most 100, oldest deadline first. Answers whether there were any.
local function sweep(req, indexes, reply)
  local late = earliest(of_kinds(indexes, 'run', 'srun'), TRIM_ITEMS_MAX)
  if #late == 0 then return false end
  local keys = keys_of(late)
  fetch(keys)
  for i, key in ipairs(keys) do
    local rec, entry = load(key), late[i]
    if not rec or rec.state ~= 'leased' or not is_at(rec, entry) then
      park(entry.index, entry.member, key)
      reply.parked[#reply.parked + 1] = key
    else
      crash(rec, req.any or req.names[rec.name], reply)
      keep(rec)
    end
  end
  flush()
  return true
end

local function emit(rec, args, reply)
  reply.bytes = reply.bytes + #args
  reply.leases[#reply.leases + 1] = {
    rec.key, rec.fence, rec.name, rec.queue, args, rec.attempts, rec.crashes, rec.visible, rec.leased, rec.due,
    rec.every or false, rec.attempts_max or false, rec.crashes_max or false,
  }
end

-- The candidates of one group of indexes: all that is due, and at most one suspect among them.
local function candidates(indexes, limit, suspect)
  local found = earliest(of_kinds(indexes, 'due'), limit)
  if suspect then
    local one = earliest(of_kinds(indexes, 'sus'), 1)[1]
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
  if #found == 0 then return end
  local keys = keys_of(found)
  -- A fence for each, also for those that do not fit: gaps are harmless.
  local fence = call('HINCRBY', META, 'fence', #found) - #found
  fetch(keys)
  for i, key in ipairs(keys) do
    local rec, entry = load(key), found[i]
    if #reply.leases >= req.count then reply.full = true end
    if #reply.leases > 0 and rec and reply.bytes + bytes_of(rec.args) > BATCH_BYTES_MAX then reply.full = true end
    if reply.full then return end
    local args = rec and rec.state == 'queued' and is_at(rec, entry) and text_of(rec, 'args', rec.args)
    if not args then
      park(entry.index, entry.member, key)
      reply.parked[#reply.parked + 1] = key
    else
      rec.state, rec.fence, rec.request = 'leased', fence + i, req.request
      rec.leased, rec.visible, rec.worker = now, now + req.lease, req.worker
      keep(rec)
      if entry.kind == 'sus' then reply.suspect = true end
      reply.lists[list_of(rec)] = true
      reply.taken[#reply.taken + 1] = key
      emit(rec, args, reply)
    end
  end
end

-- The leases that this request took before and nobody has retaken, with a fresh deadline.
local function take_again(req, packed, reply)
  local keys = cmsgpack.unpack(packed)
  fetch(keys)
  for _, key in ipairs(keys) do
    local rec = load(key)
    local args = rec and rec.state == 'leased' and rec.request == req.request and text_of(rec, 'args', rec.args)
    if args then
      rec.visible = now + req.lease
      keep(rec)
      if is_suspect(rec) then reply.suspect = true end
      emit(rec, args, reply)
    end
  end
  flush()
end

-- When the next one becomes visible, how long the oldest has been, and whom to wake for what this call leaves.
local function look_ahead(req, indexes, reply)
  local full = reply.full or #reply.leases >= req.count
  local head_at
  for _, entry in ipairs(indexes) do
    local head = call('ZRANGE', P .. entry.index, 0, 0, 'WITHSCORES')
    local visible = tonumber(head[2])
    local suspect = entry.kind == 'sus' or entry.kind == 'srun'
    if not suspect or (req.suspects and not reply.suspect) then
      entry.head = visible
      head_at = math.min(head_at or visible, visible)
    end
    if visible <= now and (full or (suspect and reply.suspect)) then passed_on[list_and_field(entry)] = true end
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
    chunked('HDEL', P .. 'requests_held', old)
  end
  if #reply.taken > 0 then call('HSET', P .. 'requests_held', req.request, #reply.taken) end
  call('HSET', P .. 'requests', req.request, cmsgpack.pack(reply.taken))
  call('ZADD', P .. 'requests_at', whole(now), req.request)
end

-- Takes tasks queue by queue, or from all at once.
local function take_new(req, indexes, reply)
  if req.order == 'earliest' then return take_from(indexes, req, reply) end
  for rank = 1, #req.queues do
    if #reply.leases >= req.count or reply.full then return end
    local group = {}
    for _, entry in ipairs(indexes) do
      if entry.rank == rank then group[#group + 1] = entry end
    end
    if #group > 0 then take_from(group, req, reply) end
  end
end

-- Whether the waiter goes on to wait: it found nothing. After a last look, only if nothing becomes visible before the
-- next call can be there: else another had better look then.
local function waits_on(req, repeated, reply)
  if repeated or #reply.leases > 0 or req.block == 0 then return false end
  return not req.last or not reply.next_visible or reply.next_visible > LEFT_ALONE_MAX
end

-- One lease call. `trimming` is false inside an ack, which has trimmed already.
local function take(req, trimming)
  local reply = { leases = {}, taken = {}, lists = {}, limited = {}, parked = {}, crashed = 0, bytes = 0, dead = 0 }
  write_worker(req.worker, req.record, req.ttl, true)
  if trimming then reply.dead = trim(0) end
  local packed = call('HGET', P .. 'requests', req.request)
  local indexes = indexes_of(req)
  if packed then
    take_again(req, packed, reply)
  else
    if sweep(req, indexes, reply) then indexes = indexes_of(req) end
    take_new(req, indexes, reply)
    flush()
    if #reply.leases > 0 or #reply.parked > 0 then indexes = indexes_of(req) end
  end
  local answered_now = packed or #reply.leases > 0 or req.last
  if answered_now and not packed then remember_request(req, reply) end
  look_ahead(req, indexes, reply)
  for list in pairs(reply.lists) do watch_deadline(list, now + req.lease, req.worker) end
  local waiting = waits_on(req, packed, reply)
  if not waiting and req.waiter ~= '' then leave(req.waiter) end
  finish_writes()
  -- Order matters: after the wake-ups of this call, so that a waiter does not wake itself.
  local due = waiting and start_waiting(req, indexes)
  return {
    reply.leases, reply.next_visible or false, reply.oldest_ready or false, reply.crashed, reply.limited, reply.dead,
    reply.parked, answered_now and 1 or 0, waiting and 1 or 0,
    due and not frozen and math.max(0, due - now) or false, behind,
  }
end
