UPDATE audit SET why = split_part(why, ': ', 1)
    WHERE who = 'realmctl' AND action IN ('tenant.re_online', 'campaign.halt')
    AND position(': ' IN why) > 0 AND position(' ' IN split_part(why, ': ', 1)) = 0;
UPDATE audit SET before = (jsonb_set(before::jsonb, '{code}', before::jsonb #> '{error,code}') - 'error')::text
    WHERE jsonb_typeof(before::jsonb -> 'error') = 'object';
UPDATE audit SET after = (jsonb_set(after::jsonb, '{code}', after::jsonb #> '{error,code}') - 'error')::text
    WHERE jsonb_typeof(after::jsonb -> 'error') = 'object';
