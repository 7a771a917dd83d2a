"use strict";

/* Written by instances.py. */
const INSTANCES = {
 "one": [
  {
   "title": "Face recognition, 5 subtasks",
   "story": "The first phone of the worked example, alone with both offload points. Time and battery count half each.",
   "instance": {
    "format": "offloadlib-instance",
    "version": 1,
    "kind": "structured",
    "name": "worked-example",
    "cost": {
     "normalise": "none"
    },
    "applications": [
     {
      "id": "face",
      "subtasks": [
       "t1",
       "t2",
       "t3",
       "t4",
       "t5"
      ],
      "edges": [
       [
        "t1",
        "t2"
       ],
       [
        "t2",
        "t3"
       ],
       [
        "t2",
        "t4"
       ],
       [
        "t3",
        "t5"
       ],
       [
        "t4",
        "t5"
       ]
      ]
     }
    ],
    "offload_points": [
     {
      "id": "op1",
      "cpu": 2.0,
      "capacity": 3,
      "uplink": 0.5,
      "downlink": 0.8
     },
     {
      "id": "op2",
      "cpu": 2.5,
      "capacity": 2,
      "uplink": 0.6,
      "downlink": 0.9,
      "channels": 1
     }
    ],
    "devices": [
     {
      "id": "ud1",
      "application": "face",
      "cpu": 1.0,
      "power": {
       "execute": 12.0,
       "send": 1.5,
       "receive": 3.0
      },
      "connected_to": "op1",
      "alpha": 0.5,
      "work": [
       1.0,
       2.0,
       2.5,
       1.5,
       1.0
      ],
      "input": [
       0.4,
       0.2,
       0.2,
       0.2,
       0.2
      ],
      "output": [
       0.2,
       0.3,
       0.1,
       0.1,
       0.05
      ]
     }
    ]
   },
   "optimum": {
    "cost": 2.525,
    "decisions": [
     [
      "op1",
      "op2",
      "op2",
      "op1",
      "op1"
     ]
    ]
   },
   "greedy": {
    "cost": 2.6,
    "decisions": [
     [
      "op2",
      "op2",
      "op1",
      "op1",
      "op1"
     ]
    ]
   }
  },
  {
   "title": "Face analysis, 6 subtasks",
   "story": "A pipeline of DAGBench. Greedy comes near; can you do better by hand?",
   "instance": {
    "format": "offloadlib-instance",
    "version": 1,
    "kind": "structured",
    "name": "dagbench-face-analysis-m010-drawn",
    "cost": {
     "normalise": "local"
    },
    "applications": [
     {
      "id": "edge_computing-face_analysis_pipeline",
      "subtasks": [
       "HeadDetect",
       "FeatureExtract",
       "HairModule",
       "GenderModule",
       "FaceIDModule",
       "WriteBack"
      ],
      "edges": [
       [
        "HeadDetect",
        "FeatureExtract"
       ],
       [
        "FeatureExtract",
        "HairModule"
       ],
       [
        "FeatureExtract",
        "GenderModule"
       ],
       [
        "FeatureExtract",
        "FaceIDModule"
       ],
       [
        "HairModule",
        "WriteBack"
       ],
       [
        "GenderModule",
        "WriteBack"
       ],
       [
        "FaceIDModule",
        "WriteBack"
       ]
      ]
     }
    ],
    "offload_points": [
     {
      "id": "op1",
      "cpu": 2.2990345474368357,
      "capacity": 3,
      "uplink": 0.5932673214400732,
      "downlink": 0.6768103988757672
     },
     {
      "id": "op5",
      "cpu": 1.696861122964143,
      "capacity": 2,
      "uplink": 0.7894436449594295,
      "downlink": 0.8076567685131566
     }
    ],
    "devices": [
     {
      "id": "ud1",
      "application": "edge_computing-face_analysis_pipeline",
      "cpu": 1.2757645185899906,
      "power": {
       "execute": 15.210417243455906,
       "send": 1.718468289749895,
       "receive": 3.4695065274497354
      },
      "connected_to": "op5",
      "alpha": 0.6695781350579709,
      "work": [
       3.5815758826821398,
       2.984646568901783,
       0.9550869020485706,
       0.9550869020485706,
       1.432630353072856,
       0.23877172551214265
      ],
      "input": [
       0.7405747906498239,
       1.9321809905154654,
       0.6440603301718218,
       0.6440603301718218,
       1.0304965282749148,
       0.5152482641374574
      ],
      "output": [
       1.9321809905154654,
       2.3186171886185587,
       0.12881206603436435,
       0.12881206603436435,
       0.2576241320687287,
       0.6566443693763167
      ],
      "edge_data": [
       1.9321809905154654,
       0.6440603301718218,
       0.6440603301718218,
       1.0304965282749148,
       0.12881206603436435,
       0.12881206603436435,
       0.2576241320687287
      ]
     }
    ]
   },
   "optimum": {
    "cost": 0.5618512876936962,
    "decisions": [
     [
      "op1",
      "op1",
      "op5",
      "op5",
      "op1",
      null
     ]
    ]
   },
   "greedy": {
    "cost": 0.5847828543472795,
    "decisions": [
     [
      "op1",
      "op1",
      "op1",
      "op5",
      "op5",
      null
     ]
    ]
   }
  },
  {
   "title": "Navigator, 9 subtasks",
   "story": "A navigation app, as the simulator SLEIPNIR describes it. Most data cross in the middle, and greedy is far from the optimum.",
   "instance": {
    "format": "offloadlib-instance",
    "version": 1,
    "kind": "structured",
    "name": "dagbench-sleipnir-navigator-m010-drawn",
    "cost": {
     "normalise": "local"
    },
    "applications": [
     {
      "id": "mec-sleipnir_navigator",
      "subtasks": [
       "CONF_PANEL",
       "GPS",
       "CONTROL",
       "MAPS",
       "PATH_CALC",
       "TRAFFIC",
       "VOICE_SYNTH",
       "SPEED_TRAP",
       "GUI"
      ],
      "edges": [
       [
        "CONF_PANEL",
        "GPS"
       ],
       [
        "CONF_PANEL",
        "CONTROL"
       ],
       [
        "GPS",
        "CONTROL"
       ],
       [
        "CONTROL",
        "MAPS"
       ],
       [
        "CONTROL",
        "PATH_CALC"
       ],
       [
        "CONTROL",
        "TRAFFIC"
       ],
       [
        "MAPS",
        "PATH_CALC"
       ],
       [
        "TRAFFIC",
        "PATH_CALC"
       ],
       [
        "PATH_CALC",
        "VOICE_SYNTH"
       ],
       [
        "PATH_CALC",
        "GUI"
       ],
       [
        "PATH_CALC",
        "SPEED_TRAP"
       ],
       [
        "VOICE_SYNTH",
        "GUI"
       ],
       [
        "SPEED_TRAP",
        "GUI"
       ]
      ]
     }
    ],
    "offload_points": [
     {
      "id": "op1",
      "cpu": 2.2990345474368357,
      "capacity": 4,
      "uplink": 0.5932673214400732,
      "downlink": 0.6768103988757672
     },
     {
      "id": "op2",
      "cpu": 1.774335521373096,
      "capacity": 3,
      "uplink": 0.5188086430577337,
      "downlink": 0.5882189063659777
     }
    ],
    "devices": [
     {
      "id": "ud7",
      "application": "mec-sleipnir_navigator",
      "cpu": 1.7801114987405904,
      "power": {
       "execute": 12.887301347367371,
       "send": 1.6940252563675475,
       "receive": 2.3072703764071587
      },
      "connected_to": "op1",
      "alpha": 0.6741432898113154,
      "work": [
       0.20861754329200508,
       0.20861754329200508,
       0.5215438582300127,
       1.0430877164600254,
       1.5646315746900379,
       1.0430877164600254,
       15.646315746900381,
       0.20861754329200508,
       0.20861754329200508
      ],
      "input": [
       0.665126058777199,
       0.03785465795903835,
       0.0757093159180767,
       0.03785465795903835,
       2.006296871829033,
       0.03785465795903835,
       1.8927328979519178,
       1.8927328979519178,
       1.9684422138699944
      ],
      "output": [
       0.0757093159180767,
       0.03785465795903835,
       0.11356397387711507,
       1.8927328979519178,
       5.678198693855753,
       0.0757093159180767,
       0.03785465795903835,
       0.03785465795903835,
       0.5897463523411017
      ],
      "edge_data": [
       0.03785465795903835,
       0.03785465795903835,
       0.03785465795903835,
       0.03785465795903835,
       0.03785465795903835,
       0.03785465795903835,
       1.8927328979519178,
       0.0757093159180767,
       1.8927328979519178,
       1.8927328979519178,
       1.8927328979519178,
       0.03785465795903835,
       0.03785465795903835
      ]
     }
    ]
   },
   "optimum": {
    "cost": 0.6042874794294305,
    "decisions": [
     [
      null,
      null,
      "op2",
      "op1",
      "op1",
      "op1",
      "op1",
      "op2",
      "op2"
     ]
    ]
   },
   "greedy": {
    "cost": 0.8716505445969419,
    "decisions": [
     [
      null,
      "op1",
      "op1",
      "op1",
      "op2",
      "op1",
      "op2",
      "op2",
      null
     ]
    ]
   }
  }
 ],
 "two": [
  {
   "title": "A phone and a watch, one place",
   "story": "Both would send the step “detect” away, and there is one place. Raise the price until one of them lets go: whoever gains most by it keeps it, and then the bound is the optimum.",
   "instance": {
    "format": "offloadlib-instance",
    "version": 1,
    "kind": "structured",
    "name": "one-place",
    "cost": {
     "normalise": "none"
    },
    "applications": [
     {
      "id": "detector",
      "subtasks": [
       "camera",
       "detect",
       "show"
      ],
      "edges": [
       [
        "camera",
        "detect"
       ],
       [
        "detect",
        "show"
       ]
      ]
     }
    ],
    "offload_points": [
     {
      "id": "op",
      "cpu": 8,
      "capacity": 1,
      "uplink": 1,
      "downlink": 1
     }
    ],
    "devices": [
     {
      "id": "phone",
      "cpu": 2,
      "application": "detector",
      "power": {
       "execute": 2,
       "send": 1,
       "receive": 1
      },
      "connected_to": "op",
      "alpha": 0.5,
      "work": [
       0.5,
       6,
       1
      ],
      "input": [
       4,
       0,
       0
      ],
      "output": [
       1,
       0.5,
       2
      ]
     },
     {
      "id": "watch",
      "cpu": 1.5,
      "application": "detector",
      "power": {
       "execute": 2,
       "send": 1,
       "receive": 1
      },
      "connected_to": "op",
      "alpha": 0.5,
      "work": [
       0.5,
       6,
       1
      ],
      "input": [
       4,
       0,
       0
      ],
      "output": [
       1,
       0.5,
       2
      ]
     }
    ]
   },
   "optimum": {
    "cost": 9.0,
    "decisions": [
     [
      null,
      null,
      null
     ],
     [
      null,
      "op",
      null
     ]
    ]
   },
   "greedy": {
    "cost": 9.0,
    "decisions": [
     [
      null,
      null,
      null
     ],
     [
      null,
      "op",
      null
     ]
    ]
   }
  },
  {
   "title": "Two devices of paper-m005, four places",
   "story": "Now a device that comes wants five places, for its whole task, and there are four. No price makes exactly four wanted, so even the best bound stays below the optimum: a gap that branching closes.",
   "instance": {
    "format": "offloadlib-instance",
    "version": 1,
    "kind": "structured",
    "name": "paper-m005",
    "cost": {
     "normalise": "local"
    },
    "applications": [
     {
      "id": "face",
      "subtasks": [
       "t1",
       "t2",
       "t3",
       "t4",
       "t5"
      ],
      "edges": [
       [
        "t1",
        "t2"
       ],
       [
        "t2",
        "t3"
       ],
       [
        "t2",
        "t4"
       ],
       [
        "t3",
        "t5"
       ],
       [
        "t4",
        "t5"
       ]
      ]
     }
    ],
    "offload_points": [
     {
      "id": "op3",
      "cpu": 2.4193776176145656,
      "capacity": 4,
      "uplink": 0.7553646487635617,
      "downlink": 0.548065956732517
     }
    ],
    "devices": [
     {
      "id": "ud1",
      "application": "face",
      "cpu": 1.4337294897074004,
      "power": {
       "execute": 17.883781153447465,
       "send": 1.3262844825753806,
       "receive": 3.0186668043350444
      },
      "connected_to": "op3",
      "alpha": 0.873966352109369,
      "work": [
       1.3294290473878256,
       1.3763632724636599,
       1.4212309637523364,
       1.2475441288591655,
       1.5345562424414458
      ],
      "input": [
       0.375412955164372,
       0.8712339294769149,
       0.6504736872993078,
       0.8214234010946038,
       0.522149991261301
      ],
      "output": [
       0.9354108787577291,
       0.929520045513152,
       0.6018499662317089,
       0.38588699106487057,
       0.5609018798462264
      ]
     },
     {
      "id": "ud5",
      "application": "face",
      "cpu": 0.9724990235414956,
      "power": {
       "execute": 18.779473050364842,
       "send": 1.7771977587293024,
       "receive": 3.035474764850619
      },
      "connected_to": "op3",
      "alpha": 0.893274438237937,
      "work": [
       2.213845819146948,
       2.631990805067418,
       1.2739225185381202,
       2.611254992606259,
       1.045324115671922
      ],
      "input": [
       0.27633458642482944,
       0.5220291283565128,
       0.49595296877156625,
       0.33049477207703887,
       0.8755123472294077
      ],
      "output": [
       0.6147129329682792,
       0.3645268713921043,
       0.5975522985710332,
       0.2980079766095141,
       0.3658034635552696
      ]
     }
    ]
   },
   "optimum": {
    "cost": 1.6369555671209264,
    "decisions": [
     [
      null,
      null,
      null,
      null,
      null
     ],
     [
      "op3",
      "op3",
      null,
      "op3",
      null
     ]
    ]
   },
   "greedy": {
    "cost": 1.6436545513694174,
    "decisions": [
     [
      null,
      null,
      null,
      null,
      null
     ],
     [
      "op3",
      "op3",
      "op3",
      "op3",
      null
     ]
    ]
   }
  }
 ]
};
