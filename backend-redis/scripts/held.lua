-- The records that a script holds: it reads each once, changes it in memory, and writes it with
-- `flush`.

local held = {} -- key -> record, ABSENT or UNREADABLE
local kept = {} -- the records to write

local function bytes_of(value) return type(value) == 'number' and value or value and #value or 0 end

local function args_bytes_of(rec)
  local args = rec[MORE].args
  return args and bytes_of(args) or rec[ARGS_BYTES]
end

-- The bytes that a record in `index` counts for. Only finished records that are to be trimmed
-- count, and small ones count as 0.
local function kept_of(rec, index)
  if index ~= 'finished' and index ~= 'dead' then return 0 end
  local bytes = args_bytes_of(rec) + bytes_of(rec[MORE].result) + bytes_of(rec[MORE].error)
  return bytes < KEPT_BYTES_MIN and 0 or bytes
end

local function hold_record(key, raw)
  local rec = decode(raw)
  rec[KEY] = key
  local count
  rec[AT], rec[AT_SCORE], rec[AT_MEMBER], count = place_of(rec)
  rec[AT_COUNT], rec[AT_BYTES] = count or false, kept_of(rec, rec[AT])
  -- The payloads kept apart.
  local more = rec[MORE]
  if more ~= NONE then
    local successor_apart = more.successor and type(more.successor.args) == 'number'
    if more.args or type(more.result) == 'number' or successor_apart then
      rec[APART] = { args = more.args ~= nil, results = type(more.result) == 'number', successors = successor_apart }
    end
  end
  held[key] = rec
end

local function hold(key, raw)
  if not raw then
    held[key] = ABSENT
  elseif not pcall(hold_record, key, raw) then
    -- An unreadable record must not fail the call that finds it.
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

-- The raw records of `keys`, a text or `false` each.
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
  -- Fast path: usually all are readable.
  if not pcall(hold_all, missing, raws) then
    for i, key in ipairs(missing) do
      if held[key] == nil then hold(key, raws[i]) end
    end
  end
end

-- The record of `key`; nil if there is none; nil and true if it is unreadable.
local function load(key)
  local rec = held[key]
  if rec == nil then
    hold(key, call('HGET', P .. 'tasks', key))
    rec = held[key]
  end
  if rec ~= ABSENT and rec ~= UNREADABLE then return rec, false end
  return nil, rec == UNREADABLE
end

-- A payload, kept apart or not; `false` if it is gone.
local function text_of(rec, hash, value)
  if type(value) == 'number' then return call('HGET', P .. hash, rec[KEY]) end
  return value
end

-- Marks a record as changed.
local function keep(rec)
  if rec[KEPT] then return end
  rec[KEPT] = true
  kept[#kept + 1] = rec
end

-- Marks a record for deletion.
local function forget(rec)
  rec[GONE] = true
  keep(rec)
end
