"""How sure: prediction intervals and corrections from recent errors."""
