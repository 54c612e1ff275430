-- Writes the held records, each with the one index it belongs to, so that records and indexes
-- always agree.

local bounds = {} -- the part of `queued` and `leased` read so far: set -> index -> its bound
local touched = {} -- indexes that were written -> the earliest time added, or `false`
local announced = {} -- wake list -> the earliest time at which a task of its lane becomes visible

-- The writes of a flush, by kind and place.
local function new_writes()
  return {
    records = {}, gone = {}, removed = {}, added = {}, first = {}, counts = {}, bytes = {}, apart = {}, not_apart = {},
  }
end

-- The writes of the next flush.
local pending
local function writing()
  pending = pending or new_writes()
  return pending
end

-- Moves a payload that is too large for a record into its hash, or removes one that is no longer
-- there. Answers the value that the record keeps, and whether the payload is kept apart.
local function set_apart(writes, rec, hash, value, was_apart)
  if type(value) == 'string' and #value > INLINE_MAX then
    local pairs_of = list_in(writes.apart, hash)
    pairs_of[#pairs_of + 1], pairs_of[#pairs_of + 2] = rec[KEY], value
    return #value, true
  end
  local is_apart = type(value) == 'number'
  if was_apart and not is_apart then
    local keys = list_in(writes.not_apart, hash)
    keys[#keys + 1] = rec[KEY]
  end
  return value, is_apart
end

local function set_payloads_apart(writes, rec)
  local was, more = rec[APART] or {}, rec[GONE] and NONE or more_of(rec)
  local successor, is = more.successor, {}
  local args, result, successor_args
  args, is.args = set_apart(writes, rec, 'args', more.args, was.args)
  result, is.results = set_apart(writes, rec, 'results', more.result, was.results)
  successor_args, is.successors = set_apart(writes, rec, 'successors', successor and successor.args, was.successors)
  if not rec[GONE] then more.args, more.result = args, result end
  if successor then successor.args = successor_args end
  rec[APART] = (is.args or is.results or is.successors) and is
end

local function weigh(writes, shelf, by)
  if by ~= 0 then writes.bytes[shelf] = (writes.bytes[shelf] or 0) + by end
end

local function move(writes, rec)
  local index, score, member, count
  if not rec[GONE] then index, score, member, count = place_of(rec) end
  local at, at_count = rec[AT], rec[AT_COUNT]
  local same = at == index and rec[AT_MEMBER] == member
  if at and not same then
    local members = writes.removed[at] or list_in(writes.removed, at)
    members[#members + 1] = rec[AT_MEMBER]
  end
  if index and not (same and rec[AT_SCORE] == score) then
    local entries = writes.added[index] or list_in(writes.added, index)
    local last, first = #entries, writes.first[index]
    entries[last + 1], entries[last + 2] = whole(score), member
    if not first or score < first then writes.first[index] = score end
    if rec[STATE] == QUEUED then
      local list = list_of(rec)
      local moment = announced[list]
      if not moment or score < moment then announced[list] = score end
    elseif count and index ~= 'kept' and score < trim_at then
      trim_at = score
    end
  end
  if at_count ~= (count or false) then
    local counts = writes.counts
    if at_count then counts[at_count] = (counts[at_count] or 0) - 1 end
    if count then counts[count] = (counts[count] or 0) + 1 end
  end
  local bytes = index and kept_of(rec, index) or 0
  weigh(writes, at, -(rec[AT_BYTES] or 0))
  weigh(writes, index, bytes)
  rec[AT], rec[AT_SCORE], rec[AT_MEMBER], rec[AT_COUNT] = index or false, score, member, count or false
  rec[AT_BYTES] = bytes
end

-- Updates the bounds of the written indexes in `queued` and `leased`. After a removal the bound
-- stays too early until a poll corrects it.
local function settle_lanes()
  for index, first in pairs(touched) do
    local set = listed_in(index)
    local known = bounds[set]
    if first then
      local before = known and known[index]
      if not before or before > first then
        call('ZADD', P .. set, 'LT', whole(first), index)
        if known then known[index] = first end
      end
    elseif call('EXISTS', P .. index) == 0 then
      call('ZREM', P .. set, index)
      if known then known[index] = nil end
    end
  end
  touched = {}
end

local function count_finished(counts)
  for field, by in pairs(counts) do
    if by ~= 0 and call('HINCRBY', P .. 'finished_counts', field, by) <= 0 then
      call('HDEL', P .. 'finished_counts', field)
    end
  end
end

-- The shelves of tasks to be trimmed: the most records and bytes each may hold, and its bytes now.
-- One table, since a Lua function may use at most 60 outer names.
local shelves = {
  finished = { most = FINISHED_MAX, most_bytes = FINISHED_BYTES_MAX, bytes = tonumber(meta[7] or '0') },
  dead = { most = DEAD_MAX, most_bytes = DEAD_BYTES_MAX, bytes = tonumber(meta[8] or '0') },
}

-- Adds to the bytes of a shelf; beyond its limit the next call trims it.
function shelves.grow(name, by)
  local shelf = shelves[name]
  shelf.bytes = call('HINCRBY', META, name .. '_bytes', whole(by))
  if shelf.bytes > shelf.most_bytes then trim_at = math.min(trim_at, now) end
end

-- Updates `meta.trim` after the shelves were written.
local trim_known = trim_at
local function settle_trim(added)
  for _, shelf in ipairs({ 'finished', 'dead' }) do
    if added[shelf] and call('ZCARD', P .. shelf) > shelves[shelf].most then trim_at = math.min(trim_at, now) end
  end
  if trim_at < trim_known then call('HSET', META, 'trim', whole(trim_at)) end
  trim_known = trim_at
end

-- The entries of an index in reverse: the server searches a short index from its front, and a new
-- entry is usually the latest.
local function last_first(entries)
  local turned, last = {}, #entries
  for i = 1, last, 2 do turned[i], turned[i + 1] = entries[last - i], entries[last - i + 1] end
  return turned
end

local function write(writes)
  for hash, entries in pairs(writes.apart) do chunked('HSET', P .. hash, entries) end
  for hash, keys in pairs(writes.not_apart) do chunked('HDEL', P .. hash, keys) end
  chunked('HSET', P .. 'tasks', writes.records)
  chunked('HDEL', P .. 'tasks', writes.gone)
  for index, members in pairs(writes.removed) do
    chunked('ZREM', P .. index, members)
    if not is_shelf(index) then touched[index] = touched[index] or false end
  end
  for index, entries in pairs(writes.added) do
    chunked('ZADD', P .. index, last_first(entries))
    if not is_shelf(index) then touched[index] = math.min(touched[index] or FAR, writes.first[index]) end
  end
  count_finished(writes.counts)
  for shelf, by in pairs(writes.bytes) do shelves.grow(shelf, by) end
  settle_trim(writes.added)
end

-- Writes the changes. Order matters: before an index is read again.
local function flush()
  if #kept > 0 or pending then
    local writes = writing()
    local records, gone = writes.records, writes.gone
    local count = #records
    for i = 1, #kept do
      local rec = kept[i]
      rec[KEPT] = false
      if rec[MORE] ~= NONE or rec[APART] then set_payloads_apart(writes, rec) end
      move(writes, rec)
      if rec[GONE] then
        gone[#gone + 1] = rec[KEY]
        held[rec[KEY]] = ABSENT
      else
        local raw = encode(rec)
        rec[RAW], count = raw, count + 2
        records[count - 1], records[count] = rec[KEY], raw
      end
    end
    kept, pending = {}, nil
    write(writes)
  end
  settle_lanes()
end

-- Removes an unusable index entry and lists its key in `corrupt`.
local function park(index, member, key)
  call('ZREM', P .. index, member)
  call('SADD', P .. 'corrupt', key)
  if not is_shelf(index) then touched[index] = touched[index] or false end
end
