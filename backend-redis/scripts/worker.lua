-- The records of workers: when each expires, when it last leased (0: never), and its own
-- description.

local WORKER_AS = '>I7I7'

local function forget_workers()
  local all, gone = call('HGETALL', P .. 'workers'), {}
  for i = 1, #all, 2 do
    if unpacked(WORKER_AS, all[i + 1]) <= now then gone[#gone + 1] = all[i] end
  end
  chunked('HDEL', P .. 'workers', gone)
end

local function last_leased(id)
  local before = call('HGET', P .. 'workers', id)
  if not before then return 0 end
  local expires, leased = unpacked(WORKER_AS, before)
  return expires > now and leased or 0
end

-- Writes a worker's record. `leasing`: this is a lease call, its sign of life. A ttl of zero
-- deletes the record. A new worker deletes expired records.
local function write_worker(id, record, ttl, leasing)
  if ttl <= 0 then
    call('HDEL', P .. 'workers', id)
    return
  end
  local text = pack(WORKER_AS, math.min(now + ttl, FAR), leasing and now or last_leased(id)) .. record
  if call('HSET', P .. 'workers', id, text) == 1 then forget_workers() end
end
