"""Where blocks are examined: in processes of this machine, or on the nodes of a cluster."""
