// The runtime keeps no metrics: each is of KindBad.

package metrics

//tandem:remove runtime_readMetrics

func Read(m []Sample) {
	for i := range m {
		m[i].Value = Value{}
	}
}
