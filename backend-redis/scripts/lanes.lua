-- Transition: none. Names the indexes that are not empty.
-- Keys: meta. Args: none. Result: the server's clock; the docket's offset, and how often the clock
-- was set back; KIND:QUEUE|NAME of each, and those of the three shelves that are not empty.
local found = all_indexes()
for _, shelf in ipairs({ 'finished', 'dead', 'kept' }) do
  if call('EXISTS', P .. shelf) == 1 then found[#found + 1] = shelf end
end
return { now - offset, clock_told(), found }
