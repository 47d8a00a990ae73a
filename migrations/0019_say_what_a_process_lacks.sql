-- A process that can't do data work for want of something of its own runs no tasks meanwhile, and says why.
ALTER TABLE runners ADD COLUMN unfit TEXT; -- in words, with what to do about it; NULL if it lacks nothing
