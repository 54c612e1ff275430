-- Trimming finished records.

-- Fast path: the field that counts a finished record, and its bytes, if no payload of it is kept
-- apart and it has no rare fields.
local function count_of_plain(raw)
  if string.byte(raw, 1) ~= LIVED then return nil end
  local _, state, flags, _, _, _, _, _, _, _, args_bytes, calls, _, lane, _, from = unpacked(LIVED_AS, raw)
  local whole_record = #raw == from + args_bytes + calls * CALL_BYTES - 1
  if not whole_record or state <= LEASED or (flags ~= 0 and flags ~= WITH_SETTLED) then return nil end
  return (lanes[lane] or name_lane(lane)).counts[state], args_bytes < KEPT_BYTES_MIN and 0 or args_bytes
end

-- Any other record. Answers whether it was finished.
local function trim_other(shelf, key)
  local rec = load(key)
  local finished = rec and is_finished(rec)
  if finished then forget(rec) else park(shelf, key, key) end
  return finished
end

-- Deletes the records of `keys`, the first of a shelf. Answers how many there were.
local function clear(shelf, keys)
  if #keys == 0 then return 0 end
  call('ZREMRANGEBYRANK', P .. shelf, 0, #keys - 1)
  local plain, counts, others, freed = {}, {}, 0, 0
  local raws = read_raw(keys)
  for i = 1, #keys do
    local key, readable, count, bytes = keys[i], false, nil, 0
    if raws[i] and not held[key] then readable, count, bytes = pcall(count_of_plain, raws[i]) end
    if readable and count then
      plain[#plain + 1], counts[count], freed = key, (counts[count] or 0) - 1, freed + bytes
    elseif trim_other(shelf, key) then
      others = others + 1
    end
  end
  chunked('HDEL', P .. 'tasks', plain)
  count_finished(counts)
  if freed > 0 then shelves.grow(shelf, -freed) end
  flush()
  return #plain + others
end

-- How many of the oldest must go to bring a shelf below its byte limit; examines at most `left`.
local function too_heavy(shelf, left)
  local excess, count = shelves[shelf].bytes - shelves[shelf].most_bytes, 0
  while excess > 0 and count < left do
    local keys = call('ZRANGE', P .. shelf, count, math.min(count + 16, left) - 1)
    if #keys == 0 then break end
    fetch(keys)
    for i = 1, #keys do
      if excess <= 0 then break end
      local rec = load(keys[i])
      excess, count = excess - (rec and rec[AT_BYTES] or 0), count + 1
    end
  end
  return count
end

-- Deletes finished records: expired ones, and the oldest beyond the limit. Deletes a bounded number
-- per call, plus one per task that the call has settled. Answers how many were dead.
local function trim(settled)
  if now < trim_at then return 0 end
  local left, next_trim, cleared = TRIM_ITEMS_MAX + settled, FAR, 0
  -- Order matters: the answer is the number of dead tasks.
  for _, shelf in ipairs({ 'finished', 'dead' }) do
    local keys = call('ZRANGEBYSCORE', P .. shelf, '-inf', whole(now), 'LIMIT', 0, left)
    local beyond = call('ZCARD', P .. shelf) - shelves[shelf].most
    local most = math.min(math.max(beyond, too_heavy(shelf, left)), left)
    if most > #keys then keys = call('ZRANGE', P .. shelf, 0, most - 1) end
    left, cleared = left - #keys, clear(shelf, keys)
    local head = call('ZRANGE', P .. shelf, 0, 0, 'WITHSCORES')[2]
    local is_beyond = beyond > #keys or shelves[shelf].bytes > shelves[shelf].most_bytes
    if head then next_trim = math.min(next_trim, is_beyond and now or tonumber(head)) end
  end
  trim_at, trim_known = next_trim, next_trim
  call('HSET', META, 'trim', whole(trim_at))
  return cleared
end
