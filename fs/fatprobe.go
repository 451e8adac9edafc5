package fs

func probeFAT(v *view) (Found, bool) { return Found{}, false }
