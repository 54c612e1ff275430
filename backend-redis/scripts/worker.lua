-- The records of workers.

-- Writes a worker's record; `leasing` says that this is a lease call: its sign of life. Zero ttl takes it away.
local function write_worker(id, record, ttl, leasing)
  local gone = call('ZRANGEBYSCORE', P .. 'workers_until', '-inf', whole(now), 'LIMIT', 0, TRIM_ITEMS_MAX)
  if ttl <= 0 then gone[#gone + 1] = id end
  if #gone > 0 then
    chunked('ZREM', P .. 'workers_until', gone)
    chunked('HDEL', P .. 'workers', gone)
    chunked('HDEL', P .. 'workers_leased', gone)
  end
  if ttl <= 0 then return end
  call('HSET', P .. 'workers', id, record)
  call('ZADD', P .. 'workers_until', whole(now + ttl), id)
  if leasing then call('HSET', P .. 'workers_leased', id, whole(now)) end
end
