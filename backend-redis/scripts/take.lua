-- Leasing: sweep expired leases, lease due tasks, report the next due time.

-- The error of a task that reached its crash limit.
local CRASH_LIMIT = 'its lease ran out too often'

-- An expired lease: one crash and its consequences.
local function crash(rec, max_crashes, reply)
  local deadline, more = rec[VISIBLE], more_of(rec)
  -- The record may be its successor afterwards.
  local limited = { rec[KEY], lane_of(rec).name, more.attempts or 0, more.every and 1 or 0 }
  reply.crashed = reply.crashed + 1
  more.crashes = (more.crashes or 0) + 1
  if rec[CANCELLING] then
    finish(rec, CANCELLED, RETENTION)
  elseif more.crashes < (more.max_crashes or max_crashes) then
    rec[STATE], rec[VISIBLE] = QUEUED, deadline -- due stays: the position in the lane
    promote(rec)
  else
    reply.limited[#reply.limited + 1] = limited
    if more.every then
      more.crashed = (more.crashed or 0) + 1
      local wait = math.min(more.every * 2 ^ math.min(more.crashed, 60), math.max(CRASH_WAIT_MAX, more.every))
      next_at(rec, now + wait, CRASH_LIMIT)
    else
      more.error = CRASH_LIMIT
      finish(rec, DEAD, RETENTION)
    end
  end
end

-- Whether an index entry is the one its record belongs to.
local function is_at(rec, index, member) return rec[AT] == index and rec[AT_MEMBER] == member end

local function set_aside(index, member, key, reply)
  park(index, member, key)
  reply.parked[#reply.parked + 1] = key
end

-- Counts the crashes of expired leases, at most 100, oldest deadline first. `limits`: the crash
-- limit by name.
local function sweep(limits, indexes, reply)
  local late, at = earliest(of_kinds(indexes, 'run', 'srun'), TRIM_ITEMS_MAX)
  if #late == 0 then return end
  local keys = keys_of(late)
  fetch(keys)
  for i, key in ipairs(keys) do
    local rec = load(key)
    if not rec or rec[STATE] ~= LEASED or not is_at(rec, at[i], late[i]) then
      set_aside(at[i], late[i], key, reply)
    else
      crash(rec, limits[lane_of(rec).name] or CRASHES_MAX_DEFAULT, reply)
      keep(rec)
    end
  end
  flush()
end

-- Leases one task to a request, unless its args are gone.
local function take_one(rec, req, reply, fence)
  if rec[MORE].args then
    local args = args_of(rec)
    if not args then return false end
    reply.apart[#reply.apart + 1] = args
  end
  if fence then
    set_fence(rec, fence)
    rec[REQUEST], rec[WORKER], rec[STATE], rec[LEASED_AT] = req.request, req.worker, LEASED, now
  end
  rec[VISIBLE] = now + req.lease
  keep(rec)
  if is_suspect(rec) then reply.suspect = true end
  reply.bytes = reply.bytes + args_bytes_of(rec)
  reply.leased[#reply.leased + 1], reply.kept[#reply.kept + 1] = rec[KEY], rec
  return true
end

-- The same on the fast path; see plain.lua.
local function take_plain(raw, key, index, member, req, reply, fence)
  local room = BATCH_BYTES_MAX - reply.bytes
  local readable, leased, lane, args_bytes = pcall(lease_plain, raw, key, index, member, req, fence, room)
  if not readable or not leased then return false end
  reply.bytes, reply.lists[lane.wakes] = reply.bytes + args_bytes, true
  reply.leased[#reply.leased + 1], reply.kept[#reply.kept + 1] = key, leased
  return true
end

-- The same for a record that must be held; an unusable one is parked.
local function take_held(raw, key, index, member, req, reply, fence)
  if held[key] == nil then hold(key, raw) end
  local rec = load(key)
  if rec and reply.bytes + args_bytes_of(rec) > BATCH_BYTES_MAX and #reply.leased > 0 then
    reply.full = true
  elseif rec and rec[STATE] == QUEUED and is_at(rec, index, member) and take_one(rec, req, reply, fence) then
    reply.lists[list_of(rec)] = true
  else
    set_aside(index, member, key, reply)
  end
end

-- Leases the due tasks of one group of indexes, with at most one suspect.
local function take_from(indexes, req, reply)
  local may_suspect = req.suspects and not reply.suspect
  local due = of_kinds(indexes, 'due', may_suspect and 'sus' or nil)
  local found, at = earliest(due, req.count - #reply.leased, nil, true)
  if #found == 0 then return end
  local keys = keys_of(found)
  -- Draw a fence for each, even for tasks that will not fit: gaps are harmless.
  local fence = draw_fences(#found)
  local raws = read_raw(keys)
  for i = 1, #keys do
    local key, raw = keys[i], raws[i]
    local is_plain = raw and held[key] == nil
    if not (is_plain and take_plain(raw, key, at[i], found[i], req, reply, fence + i)) then
      take_held(raw, key, at[i], found[i], req, reply, fence + i)
      if reply.full then return end
    end
  end
end

-- The earlier leases of this request that nobody has retaken, with a new deadline.
local function take_again(req, packed, reply)
  local keys = cmsgpack.unpack(packed)
  fetch(keys)
  for _, key in ipairs(keys) do
    local rec = load(key)
    if rec and rec[STATE] == LEASED and rec[REQUEST] == req.request then take_one(rec, req, reply) end
  end
end

-- The leases, key and record in turn. Order matters: after the records were written.
local function leases_of(reply)
  local leases, kept_of = {}, reply.kept
  for i, key in ipairs(reply.leased) do
    local rec = kept_of[i]
    leases[2 * i - 1], leases[2 * i] = key, type(rec) == 'table' and rec[RAW] or rec
  end
  return leases
end

-- Whether an index counts for this request: those of suspects do not if it may not lease one.
local function counts_for(entry, req, reply)
  return (entry.kind ~= 'sus' and entry.kind ~= 'srun') or (req.suspects and not reply.suspect)
end

-- Finds when the next task becomes visible and how long the oldest has been, and which waiters to
-- wake for tasks that this call leaves. Skips indexes whose first entry cannot be the next task.
local function look_ahead(req, reply)
  local full = reply.full or #reply.leased >= req.count
  local head_at
  for _, set in ipairs({ 'queued', 'leased' }) do
    local raised = {}
    walk(req, set, function(entry)
      if entry.bound > now and head_at and entry.bound >= head_at then return true end
      local visible, counted = head_of(P .. entry.index), counts_for(entry, req, reply)
      if not visible then return end
      if visible > now and visible > entry.bound then raised[entry.index] = visible end
      if counted then head_at = math.min(head_at or visible, visible) end
      if visible <= now and (full or not counted and reply.suspect) then pass_on_entry(entry) end
    end)
    raise_bounds(set, raised)
  end
  if not head_at then return end
  reply.next_visible = math.max(0, head_at - now)
  if head_at <= now then reply.oldest_ready = now - head_at end
end

-- Leases tasks queue by queue, or from all queues together.
local function take_new(req, reply)
  local indexes = visible_in(req, 'queued')
  if req.order == 'earliest' then return take_from(indexes, req, reply) end
  local groups, ranks = {}, {}
  for _, entry in ipairs(indexes) do
    if not groups[entry.rank] then ranks[#ranks + 1] = entry.rank end
    local group = list_in(groups, entry.rank)
    group[#group + 1] = entry
  end
  table.sort(ranks)
  for _, rank in ipairs(ranks) do
    if #reply.leased >= req.count or reply.full then return end
    take_from(groups[rank], req, reply)
  end
end

-- Whether the waiter stays registered: its poll found nothing. After the final poll, only if
-- nothing becomes due before this client can call again.
local function waits_on(req, repeated, reply)
  if repeated or #reply.leased > 0 or req.block == 0 then return false end
  return not req.last or not reply.next_visible or reply.next_visible > LEFT_ALONE_MAX
end

-- Registers the waiter, and answers when it must poll by itself, if ever. Later due times are not
-- armed: the waiter learns of them at that poll.
local function start_waiting(req, reply)
  note_waiter(req)
  local due
  local function visit(entry)
    local head = counts_for(entry, req, reply) and head_of(P .. entry.index)
    local moment = head and arm(req, entry, head)
    if moment then due = math.min(due or moment, moment) end
  end
  -- All of these: a lease call must find a waiter for each deadline of its lane.
  walk(req, 'leased', visit)
  walk(req, 'queued', function(entry)
    if due and entry.bound >= due then return true end
    visit(entry)
  end)
  return due
end

-- One lease call.
local function take(req)
  -- `leased`: the keys; `kept`: the record of each, or its raw record.
  local reply = {
    leased = {}, kept = {}, apart = {}, lists = {}, limited = {}, parked = {}, crashed = 0, bytes = 0,
  }
  write_worker(req.worker, req.record, req.ttl, true)
  reply.dead = trim(0)
  take_turns()
  -- The standby polls now, and may be busy afterwards.
  chunked('HDEL', P .. 'standby', req.stood_by)
  local packed = remembered(req.request)
  if packed then
    take_again(req, packed, reply)
    flush()
  else
    sweep(req.names, visible_in(req, 'leased'), reply)
    take_new(req, reply)
    flush()
  end
  local answered_now = packed or #reply.leased > 0 or req.last
  if answered_now and not packed then remember_request(req.request, reply.leased) end
  look_ahead(req, reply)
  for list in pairs(reply.lists) do watch_deadline(list, now + req.lease, req.worker) end
  local waiting = waits_on(req, packed, reply)
  if not waiting and req.waiter ~= '' then leave(req.waiter) end
  finish_writes()
  -- Order matters: after the wake-ups of this call, so that a waiter does not wake itself.
  local due = waiting and start_waiting(req, reply)
  return {
    leases_of(reply), reply.apart, reply.next_visible or false, reply.oldest_ready or false, reply.crashed,
    reply.limited, reply.dead, reply.parked, answered_now and 1 or 0, waiting and 1 or 0,
    due and not frozen and math.max(0, due - now) or false, offset, clock_told(),
  }
end
