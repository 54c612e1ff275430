-- Transition: none. Names the indexes that are not empty.
-- Keys: meta. Args: none. Result: the server's clock; the docket's offset, and how often that clock was set back;
-- KIND:QUEUE|NAME, and the three shelves where they hold something.
local found = all_indexes()
for _, shelf in ipairs({ 'finished', 'dead', 'kept' }) do
  if call('EXISTS', P .. shelf) == 1 then found[#found + 1] = shelf end
end
return { now - offset, clock_told(), found }
