"""What tests need, ours and yours: corpus replay and shared strategies."""
