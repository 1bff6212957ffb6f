"""A configuration run through a day in virtual time, over simulated providers. No part of the daemon."""
