-- Rows as a Hearth of schema version 1 wrote them: one finished chat, one whose reply was cut off while it grew.
INSERT INTO sequence VALUES(1, 6);
INSERT INTO settings VALUES('theme', 'dark');
INSERT INTO conversations(id, activity, active_leaf_id, created_at, updated_at, title, model, draft)
VALUES(1, 4, 2, 1750000000000, 1750000000000, '早上', '/models/a.gguf', 'half a'),
      (2, 6, 3, 1750000001000, 1750000001000, '价格表', '', '');
INSERT INTO messages(id, conversation_id, parent_id, sequence, role, state, created_at, text)
VALUES(1, 1, NULL, 3, 'user', 'complete', 1750000000000, '我想喝咖啡'),
      (2, 1, 1, 4, 'assistant', 'growing', 1750000000000, 'Coffee is '),
      (3, 2, NULL, 6, 'user', 'complete', 1750000001000, 'What does it cost?');
INSERT INTO message_chunks(message_id, text, thoughts, padding) VALUES(2, 'made of ', '', zeroblob(2192));
INSERT INTO message_tails VALUES(2, 'beans', '', zeroblob(1795));
