-- A segment now has a list of its directories too; the index is made anew from the nodes.
DELETE FROM name_segments;
DELETE FROM name_grams;
DELETE FROM name_pending;
UPDATE name_index SET indexed_to = 0, claimed_to = 0;
