-- The records that a script holds. It reads them once, changes them in memory, and writes them with `flush`, each into
-- the one index it then belongs to: however a record was changed, records and indexes agree.

local ABSENT, UNREADABLE = 'absent', 'unreadable'
local held = {} -- key -> record, ABSENT or UNREADABLE
local kept = {} -- the records to write
local announced = {} -- wake list -> the earliest moment at which something of its lane becomes visible
local touched = {} -- indexes whose place in `lanes` is to be looked at

local function hold(key, raw)
  local rec = raw and decode(raw)
  if not rec then
    held[key] = raw and UNREADABLE or ABSENT
    return
  end
  rec.key, held[key] = key, rec
  rec.at, rec.at_score, rec.at_member = place_of(rec)
  if is_finished(rec) then rec.at_count = count_of(rec) end
  -- Which payloads lie apart.
  if type(rec.args) == 'number' then rec.args_apart = true end
  if type(rec.result) == 'number' then rec.result_apart = true end
  if rec.follower and type(rec.follower.args) == 'number' then rec.follower_apart = true end
end

-- Reads the records of `keys`.
local function fetch(keys)
  local missing = {}
  for i = 1, #keys do
    if held[keys[i]] == nil then missing[#missing + 1] = keys[i] end
  end
  for from = 1, #missing, CHUNK do
    local till = math.min(from + CHUNK - 1, #missing)
    local raws = call('HMGET', P .. 'tasks', unpack(missing, from, till))
    for i = from, till do
      if held[missing[i]] == nil then hold(missing[i], raws[i - from + 1]) end
    end
  end
end

-- The record of `key`; nil if there is none; nil and true if it cannot be read.
local function load(key)
  local rec = held[key]
  if rec == nil then
    hold(key, call('HGET', P .. 'tasks', key))
    rec = held[key]
  end
  if type(rec) == 'table' then return rec, false end
  return nil, rec == UNREADABLE
end

-- A payload, wherever it lies: `false` if it is gone.
local function text_of(rec, hash, value)
  if type(value) == 'number' then return call('HGET', P .. hash, rec.key) end
  return value
end

local function bytes_of(value) return type(value) == 'number' and value or value and #value or 0 end

-- Marks a record as changed.
local function keep(rec)
  if rec.kept then return end
  rec.kept = true
  kept[#kept + 1] = rec
end

-- Marks a record as one to take away.
local function forget(rec)
  rec.gone = true
  keep(rec)
end

-- What a flush has to write, by kind and place.
local function new_writes()
  return { records = {}, gone = {}, removed = {}, added = {}, counts = {}, apart = {}, not_apart = {} }
end

-- Puts a payload that is too large for a record into its hash, or takes one away that is no longer; answers what the
-- record has of it, and whether it lies apart.
local function set_apart(writes, rec, hash, value, was_apart)
  if type(value) == 'string' and #value > INLINE_MAX then
    local pairs_of = list_in(writes.apart, hash)
    pairs_of[#pairs_of + 1], pairs_of[#pairs_of + 2] = rec.key, value
    return #value, true
  end
  local is_apart = type(value) == 'number'
  if was_apart and not is_apart then
    local keys = list_in(writes.not_apart, hash)
    keys[#keys + 1] = rec.key
  end
  return value, is_apart
end

local function set_payloads_apart(writes, rec)
  local gone, follower = rec.gone, rec.follower
  local some_apart = rec.args_apart or rec.result_apart or rec.follower_apart
  -- Most have nothing but short args.
  if not some_apart and (gone or (bytes_of(rec.args) <= INLINE_MAX and not rec.result and not follower)) then return end
  rec.args, rec.args_apart = set_apart(writes, rec, 'args', not gone and rec.args or '', rec.args_apart)
  if rec.result or rec.result_apart then
    rec.result, rec.result_apart = set_apart(writes, rec, 'results', not gone and rec.result or nil, rec.result_apart)
  end
  if follower or rec.follower_apart then
    local args, apart = set_apart(writes, rec, 'followers', not gone and follower and follower.args, rec.follower_apart)
    if follower then follower.args = args end
    rec.follower_apart = apart
  end
end

local function move(writes, rec)
  local index, score, member, count
  if not rec.gone then
    index, score, member = place_of(rec)
    if is_finished(rec) then count = count_of(rec) end
  end
  local same = rec.at == index and rec.at_member == member
  if rec.at and not same then
    local members = list_in(writes.removed, rec.at)
    members[#members + 1] = rec.at_member
  end
  if index and not (same and rec.at_score == score) then
    local entries = list_in(writes.added, index)
    entries[#entries + 1], entries[#entries + 2] = whole(score), member
    if rec.state == 'queued' then
      local list = list_of(rec)
      announced[list] = math.min(announced[list] or score, score)
    end
  end
  if rec.at_count ~= count then
    if rec.at_count then writes.counts[rec.at_count] = (writes.counts[rec.at_count] or 0) - 1 end
    if count then writes.counts[count] = (writes.counts[count] or 0) + 1 end
  end
  rec.at, rec.at_score, rec.at_member, rec.at_count = index or false, score, member, count
end

-- Brings `lanes` up to date with the indexes that were written.
local function settle_lanes()
  for index in pairs(touched) do
    if call('EXISTS', P .. index) == 1 then call('SADD', P .. 'lanes', index) else call('SREM', P .. 'lanes', index) end
  end
  touched = {}
end

local function write(writes)
  for hash, entries in pairs(writes.apart) do chunked('HSET', P .. hash, entries) end
  for hash, keys in pairs(writes.not_apart) do chunked('HDEL', P .. hash, keys) end
  chunked('HSET', P .. 'tasks', writes.records)
  chunked('HDEL', P .. 'tasks', writes.gone)
  for index, members in pairs(writes.removed) do
    chunked('ZREM', P .. index, members)
    if not is_shelf(index) then touched[index] = true end
  end
  for index, entries in pairs(writes.added) do
    chunked('ZADD', P .. index, entries)
    if not is_shelf(index) then touched[index] = true end
  end
  for field, by in pairs(writes.counts) do
    if by ~= 0 and call('HINCRBY', P .. 'finished_counts', field, by) <= 0 then
      call('HDEL', P .. 'finished_counts', field)
    end
  end
end

-- Writes what was changed. Order matters: before an index is read again.
local function flush()
  if #kept > 0 then
    local writes = new_writes()
    for i = 1, #kept do
      local rec = kept[i]
      rec.kept = false
      set_payloads_apart(writes, rec)
      move(writes, rec)
      if rec.gone then
        writes.gone[#writes.gone + 1] = rec.key
        held[rec.key] = ABSENT
      else
        local records = writes.records
        records[#records + 1], records[#records + 2] = rec.key, encode(rec)
      end
    end
    kept = {}
    write(writes)
  end
  settle_lanes()
end

-- Takes an index entry that cannot be used out of the way, once, and keeps it in sight.
local function park(index, member, key)
  call('ZREM', P .. index, member)
  call('SADD', P .. 'corrupt', key)
  if not is_shelf(index) then touched[index] = true end
end
