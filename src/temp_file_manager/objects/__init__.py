"""Objects in buckets that speak S3: keys that expire, and registered objects that are removed under a condition."""
