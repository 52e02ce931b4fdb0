//! simdock-jobs
