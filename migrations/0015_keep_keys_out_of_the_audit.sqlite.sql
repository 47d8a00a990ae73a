UPDATE audit SET why = substr(why, 1, instr(why, ': ') - 1)
    WHERE who = 'realmctl' AND action IN ('tenant.re_online', 'campaign.halt')
    AND instr(why, ': ') > 0 AND instr(substr(why, 1, instr(why, ': ') - 1), ' ') = 0;
UPDATE audit SET before = json_remove(json_set(before, '$.code', json_extract(before, '$.error.code')), '$.error')
    WHERE json_type(before, '$.error') = 'object';
UPDATE audit SET after = json_remove(json_set(after, '$.code', json_extract(after, '$.error.code')), '$.error')
    WHERE json_type(after, '$.error') = 'object';
