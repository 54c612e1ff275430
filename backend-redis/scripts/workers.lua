-- Transition: none. Reads the workers that have not expired.
-- Keys: meta. Args: none.
-- Result: per worker: its record, microseconds since it leased or nil.
local found = {}
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'workers_until', '(' .. whole(now), '+inf')) do
  local record, leased = call('HGET', P .. 'workers', id), call('HGET', P .. 'workers_leased', id)
  if record then found[#found + 1] = { record, leased and math.max(0, now - tonumber(leased)) or false } end
end
return found
