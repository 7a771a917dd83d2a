"""Pictures of instances, solutions, comparisons and studies."""
