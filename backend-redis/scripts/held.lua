-- The records that a script holds. It reads them once, changes them in memory, and writes them with `flush`, each into
-- the one index it then belongs to: however a record was changed, records and indexes agree.

local held = {} -- key -> record, ABSENT or UNREADABLE
local kept = {} -- the records to write
local announced = {} -- wake list -> the earliest moment at which something of its lane becomes visible
local touched = {} -- indexes that were written, and whether something was added last
local there -- the indexes that are not empty, as far as a request asked

local function hold_record(key, raw)
  local rec = decode(raw)
  rec[KEY] = key
  local count
  rec[AT], rec[AT_SCORE], rec[AT_MEMBER], count = place_of(rec)
  rec[AT_COUNT] = count or false
  -- Which payloads lie apart.
  local more = rec[MORE]
  if more ~= NONE then
    local follower_apart = more.follower and type(more.follower.args) == 'number'
    if more.args or type(more.result) == 'number' or follower_apart then
      rec[APART] = { args = more.args ~= nil, results = type(more.result) == 'number', followers = follower_apart }
    end
  end
  held[key] = rec
end

local function hold(key, raw)
  if not raw then
    held[key] = ABSENT
  elseif not pcall(hold_record, key, raw) then
    -- One that cannot be read must not fail the call that meets it.
    held[key] = UNREADABLE
  end
end

local function hold_all(keys, raws)
  for i = 1, #keys do
    local key, raw = keys[i], raws[i]
    if held[key] == nil then
      if raw then hold_record(key, raw) else held[key] = ABSENT end
    end
  end
end

-- What is kept under `keys`, a text or `false` each.
local function read_raw(keys)
  if #keys <= CHUNK then return #keys > 0 and call('HMGET', P .. 'tasks', unpack(keys)) or {} end
  local all = {}
  for from = 1, #keys, CHUNK do
    local raws = call('HMGET', P .. 'tasks', unpack(keys, from, math.min(from + CHUNK - 1, #keys)))
    for i = 1, #raws do all[#all + 1] = raws[i] end
  end
  return all
end

-- Reads the records of `keys`.
local function fetch(keys)
  local missing = {}
  for i = 1, #keys do
    if held[keys[i]] == nil then missing[#missing + 1] = keys[i] end
  end
  local raws = read_raw(missing)
  -- Most often all of them can be read.
  if not pcall(hold_all, missing, raws) then
    for i, key in ipairs(missing) do
      if held[key] == nil then hold(key, raws[i]) end
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
  if rec ~= ABSENT and rec ~= UNREADABLE then return rec, false end
  return nil, rec == UNREADABLE
end

-- A payload, wherever it lies: `false` if it is gone.
local function text_of(rec, hash, value)
  if type(value) == 'number' then return call('HGET', P .. hash, rec[KEY]) end
  return value
end

local function bytes_of(value) return type(value) == 'number' and value or value and #value or 0 end

local function args_bytes_of(rec)
  local args = rec[MORE].args
  return args and bytes_of(args) or rec[ARGS_BYTES]
end

-- Marks a record as changed.
local function keep(rec)
  if rec[KEPT] then return end
  rec[KEPT] = true
  kept[#kept + 1] = rec
end

-- Marks a record as one to take away.
local function forget(rec)
  rec[GONE] = true
  keep(rec)
end

-- What a flush has to write, by kind and place.
local function new_writes()
  return { records = {}, gone = {}, removed = {}, added = {}, counts = {}, apart = {}, not_apart = {} }
end

-- What the next flush has to write.
local pending
local function writing()
  pending = pending or new_writes()
  return pending
end

-- Puts a payload that is too large for a record into its hash, or takes one away that is no longer; answers what the
-- record has of it, and whether it lies apart.
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
  local follower, is = more.follower, {}
  local args, result, follower_args
  args, is.args = set_apart(writes, rec, 'args', more.args, was.args)
  result, is.results = set_apart(writes, rec, 'results', more.result, was.results)
  follower_args, is.followers = set_apart(writes, rec, 'followers', follower and follower.args, was.followers)
  if not rec[GONE] then more.args, more.result = args, result end
  if follower then follower.args = follower_args end
  rec[APART] = (is.args or is.results or is.followers) and is
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
    local last = #entries
    entries[last + 1], entries[last + 2] = whole(score), member
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
  rec[AT], rec[AT_SCORE], rec[AT_MEMBER], rec[AT_COUNT] = index or false, score, member, count or false
end

-- Brings `lanes` up to date with the indexes that were written.
local function settle_lanes()
  for index, added in pairs(touched) do
    if added then
      if not (there and there[index]) then call('SADD', P .. 'lanes', index) end
      if there then there[index] = true end
    elseif call('EXISTS', P .. index) == 0 then
      call('SREM', P .. 'lanes', index)
      if there then there[index] = nil end
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

local function bound_of(shelf) return shelf == 'dead' and DEAD_MAX or FINISHED_MAX end

-- Brings `meta.trim` up to date with the shelves that were written.
local trim_known = trim_at
local function settle_trim(added)
  for _, shelf in ipairs({ 'finished', 'dead' }) do
    if added[shelf] and call('ZCARD', P .. shelf) > bound_of(shelf) then trim_at = math.min(trim_at, now) end
  end
  if trim_at < trim_known then call('HSET', META, 'trim', whole(trim_at)) end
  trim_known = trim_at
end

local function write(writes)
  for hash, entries in pairs(writes.apart) do chunked('HSET', P .. hash, entries) end
  for hash, keys in pairs(writes.not_apart) do chunked('HDEL', P .. hash, keys) end
  chunked('HSET', P .. 'tasks', writes.records)
  chunked('HDEL', P .. 'tasks', writes.gone)
  for index, members in pairs(writes.removed) do
    chunked('ZREM', P .. index, members)
    if not is_shelf(index) then touched[index] = false end
  end
  for index, entries in pairs(writes.added) do
    chunked('ZADD', P .. index, entries)
    if not is_shelf(index) then touched[index] = true end
  end
  count_finished(writes.counts)
  settle_trim(writes.added)
end

-- Writes what was changed. Order matters: before an index is read again.
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

-- Takes an index entry that cannot be used out of the way, once, and keeps it in sight.
local function park(index, member, key)
  call('ZREM', P .. index, member)
  call('SADD', P .. 'corrupt', key)
  if not is_shelf(index) then touched[index] = false end
end
