"""A month's cost as one HTML page: what each service costs, up to which usage a price holds, and the guide's migration phases."""
