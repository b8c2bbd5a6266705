-- What people note of a mount.
ALTER TABLE mounts ADD COLUMN description TEXT;
ALTER TABLE mounts ADD COLUMN contact TEXT;
ALTER TABLE mounts ADD COLUMN state_reason TEXT;
