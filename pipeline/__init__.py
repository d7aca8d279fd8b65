"""How big should my recurrent network be? Reproducible capacity studies, from download to report."""
