-- Transition: none. Reads the workers that have not expired.
-- Keys: meta. Args: none.
-- Result: per worker: its record, microseconds since its last lease call or nil.
local all, found = call('HGETALL', P .. 'workers'), {}
for i = 2, #all, 2 do
  local expires, leased, from = unpacked(WORKER_AS, all[i])
  if expires > now then
    found[#found + 1] = { cut_of(all[i], from), leased > 0 and math.max(0, now - leased) or false }
  end
end
return found
